"""Tells what an error of Kafka's means for a record that was not delivered, by a table of our own.

`KafkaError.retriable()` is no help: it says False for a message that timed out, which is worth any number of retries.
The names are librdkafka's; those with an underscore are errors of the client itself. An error that is not listed is
retried: it never drops a record and never stops a relay.
"""

from __future__ import annotations

from relay.errors import Verdict

VERDICTS: dict[str, tuple[Verdict, str]] = {
    "MSG_SIZE_TOO_LARGE": (Verdict.POISON, "larger than the topic's max.message.bytes: raise that, or skip it"),
    "INVALID_MSG_SIZE": (Verdict.POISON, "its size is not one the broker takes"),
    "INVALID_RECORD": (Verdict.POISON, "the topic refuses it, as a compacted one does a record without a key"),
    "UNKNOWN_TOPIC_OR_PART": (Verdict.CONFIG, "the topic was deleted: create it again"),
    "_UNKNOWN_TOPIC": (Verdict.CONFIG, "the topic was deleted: create it again"),
    "TOPIC_EXCEPTION": (Verdict.CONFIG, "the broker does not take the topic's name"),
    "TOPIC_AUTHORIZATION_FAILED": (Verdict.CONFIG, "no right to write to the topic: grant Write on it"),
    "CLUSTER_AUTHORIZATION_FAILED": (Verdict.CONFIG, "no right to write idempotently: grant IdempotentWrite"),
    "POLICY_VIOLATION": (Verdict.CONFIG, "a policy of the broker's forbids it"),
    "UNSUPPORTED_COMPRESSION_TYPE": (Verdict.CONFIG, "the broker cannot do it: --set compression.type"),
    "INVALID_TIMESTAMP": (Verdict.CONFIG, "this machine's clock is further from the broker's than the topic allows"),
    "_UNSUPPORTED_FEATURE": (Verdict.CONFIG, "idempotent producers need a broker of 0.11 or newer"),
    "_MSG_TIMED_OUT": (Verdict.RETRY, "nobody took it in time: only possible where the timeout was forced"),
    "_PURGE_QUEUE": (Verdict.RETRY, "dropped unsent, because the producer had to be given up"),
    "_PURGE_INFLIGHT": (Verdict.RETRY, "dropped on the wire, because the producer had to be given up"),
    "_FATAL": (Verdict.RETRY, "the producer is finished"),
    "_GAPLESS_GUARANTEE": (Verdict.RETRY, "a record before it failed"),
    "OUT_OF_ORDER_SEQUENCE_NUMBER": (Verdict.RETRY, "the broker lost track of the producer's numbering"),
    "UNKNOWN_PRODUCER_ID": (Verdict.RETRY, "the broker forgot the producer"),
    "INVALID_PRODUCER_EPOCH": (Verdict.RETRY, "the broker takes the producer for an older one"),
    "_FENCED": (
        Verdict.RETRY,
        "another relay has taken over, or the broker has ended a transaction that took too long",
    ),
    "PRODUCER_FENCED": (Verdict.RETRY, "another relay has taken over, or the transaction took too long"),
    "INVALID_TXN_STATE": (Verdict.RETRY, "the broker has ended the transaction already"),
    "INVALID_PRODUCER_ID_MAPPING": (Verdict.RETRY, "the broker has forgotten the transactional.id"),
    "TRANSACTIONAL_ID_AUTHORIZATION_FAILED": (
        Verdict.CONFIG,
        "no right to the transactional.id: grant Write and Describe on those that begin with mongo-outbox/",
    ),
    "INVALID_TRANSACTION_TIMEOUT": (
        Verdict.CONFIG,
        "transaction.timeout.ms is above the broker's transaction.max.timeout.ms: --set a smaller one",
    ),
}


BROKER_ERRORS = (
    *VERDICTS, "_TRANSPORT", "_ALL_BROKERS_DOWN", "_RESOLVE", "_TIMED_OUT", "_SSL", "_AUTHENTICATION",
    "SASL_AUTHENTICATION_FAILED", "NOT_ENOUGH_REPLICAS", "NOT_LEADER_FOR_PARTITION", "REQUEST_TIMED_OUT",
)  # fmt: skip
"""The errors that are counted from the start, as 0: those of the table, and of brokers that are away."""


def verdict(name: str) -> Verdict:
    """Returns what a delivery that failed with librdkafka's error `name` means."""
    return VERDICTS[name][0] if name in VERDICTS else Verdict.RETRY


def explanation(name: str, broker_says: str) -> str:
    """Says the error in words: those of the broker, then what it means, or its name if that is not known."""
    return f"{broker_says} ({VERDICTS[name][1]})" if name in VERDICTS else f"{broker_says} ({name})"
