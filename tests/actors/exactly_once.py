"""A relay that delivers exactly once into memory, and where its two cursors stand."""

from __future__ import annotations

import json
from typing import Any

from outbox import Outbox
from relay import Relay
from relay.errors import DeliveryFailed, Verdict
from relay.testing import MemorySink, MemoryTransactions

Document = dict[str, Any]


def relay(prices: Outbox, sink: MemorySink, **options: Any) -> Relay:
    return Relay(prices, sink, chance=lambda: 0.0, **options)


def seqs(sink: MemorySink) -> list[int]:
    return [record.seq for record in sink.records]


def saved(prices: Outbox) -> Document:
    """The document in `NAME.cursors`."""
    cursor = prices.collections.cursors.find_one({"_id": "relay:kafka"})
    assert cursor is not None
    return cursor


def name(prices: Outbox) -> str:
    return f"{prices.collections.database.name}.outbox/kafka"


def stored(prices: Outbox, sink: MemoryTransactions) -> Document:
    """The cursor that Kafka has, beside the records."""
    return dict(json.loads(sink.cursors[name(prices)]))


def set_saved(prices: Outbox, seq: int) -> None:
    """Sets the saved cursor back, as a relay leaves it that ended between committing and saving."""
    record = prices.log.record_at(seq)
    assert record is not None
    changed = {"seq": seq, "created": record.created, "id": record.id}
    prices.collections.cursors.update_one({"_id": "relay:kafka"}, {"$set": changed})


def fail_once(error: Exception) -> Any:
    errors = [error]

    def fail() -> None:
        if errors:
            raise errors.pop()

    return fail


UNKNOWN = DeliveryFailed(None, Verdict.RETRY, "no answer")
