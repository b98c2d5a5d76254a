"""A cursor that somebody has written by hand: a relay goes on after it, or says what is wrong with it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from bson import Decimal128, Int64, ObjectId

from outbox import Outbox
from outbox.clock import SystemClock
from outbox.log.retention import Retention
from outbox.shares import layout
from outbox.shares.cursor_admin import forget, move
from outbox.shares.layout import load, request_shares
from relay import Relay
from relay.errors import CursorMismatch
from relay.monitoring.status import relay_status
from relay.testing import MemorySink
from tests.actors.relay_thread import SHARES, numbered, run_once, seqs

Document = dict[str, Any]

WRONG: list[Document] = [
    *({"seq": value} for value in (None, "5", 1.5, float("nan"), float("inf"), 1e300, -1, -1.0, True, [5], {},
                                   Decimal128("5"), 2**63 - 1, ObjectId("0" * 24), datetime(2025, 1, 1, tzinfo=UTC))),
    *({"fence": value} for value in (None, "1", 1.5, -1, 1e300, [1])),
    *({"id": value} for value in ("x", 7, {})),
    *({"created": value} for value in ("today", 7)),
    *({"delivered": value} for value in (7, [7], [[]], [["x"]])),
    {"in_kafka": "yes"},
]  # fmt: skip


def relay(orders: Outbox, sink: MemorySink, shares: int | None = None) -> Relay:
    return Relay(orders, sink, shares=shares, lease_seconds=1.0, chance=lambda: 0.0)


def changed(orders: Outbox, shares: int, change: Document) -> str:
    """The cursor of the relay, or of its second share."""
    name = "relay:kafka" if shares == 1 else "relay:kafka/2"
    assert orders.collections.cursors.update_one({"_id": name}, change).matched_count
    return name


@SHARES
@pytest.mark.parametrize("wrong", WRONG, ids=str)
def test_what_no_relay_has_written_stops_it_with_its_name_and_set_mends_it(
    orders: Outbox, shares: int, wrong: Document
) -> None:
    sink = MemorySink()
    numbered(orders, 5)
    run_once(relay(orders, sink, shares))
    name = changed(orders, shares, {"$set": wrong})
    numbered(orders, 1)

    with pytest.raises(CursorMismatch, match=f"'{name}' .* its field '{next(iter(wrong))}' is .*`relay cursor set`"):
        run_once(relay(orders, sink))
    assert seqs(sink) == [1, 2, 3, 4, 5]

    move(orders.collections, "relay:kafka", 5, SystemClock())
    run_once(relay(orders, sink))
    assert seqs(sink) == [1, 2, 3, 4, 5, 6]


@SHARES
@pytest.mark.parametrize("missing", ["seq", "fence", "id", "created"])
def test_so_does_what_lacks_something(orders: Outbox, sink: MemorySink, shares: int, missing: str) -> None:
    numbered(orders, 5)
    run_once(relay(orders, sink, shares))
    changed(orders, shares, {"$unset": {missing: 1}})

    with pytest.raises(CursorMismatch):
        run_once(relay(orders, sink))

    assert forget(orders.collections, "relay:kafka", SystemClock())
    assert orders.status().cursors == ()


@pytest.mark.parametrize("count", [None, "2", 0, 1, 2.5, 1000, -2, [2]])
def test_so_does_a_number_of_shares_that_is_none(orders: Outbox, sink: MemorySink, count: object) -> None:
    numbered(orders, 5)
    run_once(relay(orders, sink, 2))
    changed(orders, 1, {"$set": {"shares": count}})

    with pytest.raises(CursorMismatch, match="its field 'shares' is"):
        run_once(relay(orders, sink))

    move(orders.collections, "relay:kafka", 5, SystemClock())
    run_once(relay(orders, sink))
    assert load(orders.collections, "relay:kafka").shares == 1
    assert [each.reader for each in orders.status().cursors] == ["relay:kafka"]


@SHARES
@pytest.mark.parametrize("kind", [int, float, Int64])
def test_a_whole_number_of_any_type_is_one(orders: Outbox, sink: MemorySink, shares: int, kind: type) -> None:
    """Mongosh writes `seq: 3` as an int or a double."""
    numbered(orders, 5)
    run_once(relay(orders, MemorySink(), shares))
    record = orders.log.record_at(3)
    assert record is not None
    values = {"seq": kind(3), "id": record.id, "created": record.created, "fence": kind(1)}
    orders.collections.cursors.update_many({"seq": {"$exists": True}}, {"$set": values})
    assert relay_status(orders, "kafka").lag_records == 2
    assert [each.seq for each in orders.status().cursors] == [3] * shares

    run_once(relay(orders, sink))

    assert sorted(seqs(sink)) == [4, 5]


@pytest.mark.parametrize("wanted", ["2", 0, -1, 2.5, 1000, None, []])
def test_a_wish_that_no_command_has_written_is_said_and_another_mends_it(
    orders: Outbox, sink: MemorySink, wanted: object
) -> None:
    numbered(orders, 5)
    run_once(relay(orders, sink))
    orders.collections.leases.update_one({"_id": "relay:kafka"}, {"$set": {"wanted": wanted}})

    with pytest.raises(CursorMismatch, match="'wanted' of 'relay:kafka'.*`relay shares set NUMBER --name kafka`"):
        run_once(relay(orders, sink))

    request_shares(orders.collections, "relay:kafka", 2)
    run_once(relay(orders, sink))
    assert layout.load(orders.collections, "relay:kafka")[:2] == (2, None)


@pytest.mark.parametrize("wrong", [each for each in WRONG if "seq" in each and each != {"seq": 1.5}], ids=str)
def test_what_is_no_seq_neither_holds_nor_ends_a_sequencer(orders: Outbox, wrong: Document) -> None:
    numbered(orders, 5)
    run_once(relay(orders, MemorySink()))
    changed(orders, 1, {"$set": wrong})

    assert orders.status().cursors == ()
    assert Retention(orders.collections, 1)._readers(5) == []
    numbered(orders, 1)
