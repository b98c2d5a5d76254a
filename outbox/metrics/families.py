"""Lists the metrics of an outbox. Names and labels are a contract: dashboards and alerts of others stand on them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from outbox.metrics.numbers import Family

_OUTBOX = ("outbox",)
_READER = (*_OUTBOX, "reader")

FAMILIES = (
    Family("outbox_build_info", "gauge", "1; the version is a label", ("version",)),
    Family(
        "outbox_put_messages_total", "counter", "Messages that this process put, also in transactions that aborted",
        (*_OUTBOX, "type"),
    ),
    Family("outbox_sequenced_messages_total", "counter", "Messages that were numbered, by whichever process", _OUTBOX),
    Family("outbox_staging_messages", "gauge", "Committed messages without a number, as estimated", _OUTBOX),
    Family("outbox_staging_oldest_age_seconds", "gauge", "How long the oldest of them waits; 0 without one", _OUTBOX),
    Family("outbox_log_head_seq", "gauge", "The log's newest number", _OUTBOX),
    Family("outbox_log_oldest_seq", "gauge", "The oldest number that the log keeps; head + 1 if it is empty", _OUTBOX),
    Family("outbox_log_size_bytes", "gauge", "What the log's batches take", _OUTBOX),
    Family("outbox_log_capacity_bytes", "gauge", "What they may take before the oldest go", _OUTBOX),
    Family("outbox_reader_lag_records", "gauge", "Records in the log that a reader has not acknowledged", _READER),
    Family("outbox_reader_lag_seconds", "gauge", "How long the next record of a reader has waited", _READER),
    Family(
        "outbox_reader_headroom_bytes", "gauge",
        "What may be appended before the sequencer waits for a reader; 0 when its next record is gone", _READER,
    ),
    Family(
        "outbox_reader_headroom_seconds", "gauge",
        "Until then at the present rate; +Inf without a rate, 0 when its next record is gone", _READER,
    ),
    Family(
        "outbox_held_seconds_total", "counter", "How long this process, as the sequencer, waited for a reader", _READER
    ),
    Family("outbox_lease_held", "gauge", "1 when this process holds the role, else 0", (*_OUTBOX, "role")),
    Family(
        "outbox_lease_takeovers_total", "counter", "How often a role was taken, by whichever process",
        (*_OUTBOX, "role"),
    ),
    Family("outbox_dead_letters", "gauge", "Messages put aside, by their reader and state", (*_READER, "state")),
    Family(
        "outbox_handled_messages_total", "counter",
        "Records that this process handled or delivered (ok), attempts that failed, and records put aside (parked)",
        (*_READER, "result"),
    ),
    Family("outbox_handle_seconds", "histogram", "How long a handler of this process took for a record", _READER),
)  # fmt: skip


def with_database(families: Iterable[Family]) -> tuple[Family, ...]:
    """Returns the families with a label `database` before `outbox`: for a process whose outboxes share a name."""
    return tuple(
        replace(each, labels=("database", *each.labels)) if "outbox" in each.labels else each for each in families
    )
