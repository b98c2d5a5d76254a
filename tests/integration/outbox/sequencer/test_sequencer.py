"""The sequencer numbers what staging holds in the order of the server's stamps, and no single message can stall it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import bson
import pytest
from bson import Int64, ObjectId, Timestamp
from bson.datetime_ms import DatetimeMS
from bson.raw_bson import RawBSONDocument
from pymongo.collection import Collection
from pymongo.database import Database
from pymongo.errors import OperationFailure

from outbox import Outbox, Record
from outbox.sequencer import cleanup, snapshot
from outbox.sequencer.loop import run_sequencer
from outbox.sequencer.sequencer import Sequencer
from tests.actors.order_service import foreign, placed, totals, unchecked, warnings_of
from tests.waiting import wait_until

pytestmark = pytest.mark.oldest_server

Document = dict[str, Any]


def test_messages_are_numbered_from_1_and_leave_staging(orders: Outbox, raw_staging: Collection[Document]) -> None:
    ids = [orders.put(placed(n), standalone=True) for n in range(3)]

    assert orders.sequence() == 3
    assert [(each.seq, each.id) for each in orders.read()] == list(zip([1, 2, 3], ids, strict=True))
    assert raw_staging.count_documents({}) == 0
    assert orders.sequence() == 0


# The order of things


def test_the_server_s_stamp_decides_the_order_not_the_id_or_the_writer_s_clock(
    orders: Outbox, raw_staging: Collection[Document]
) -> None:
    """Goes red when the sweep sorts by anything but `at`."""
    ids = [ObjectId() for _ in range(20)]
    for n, id in enumerate(reversed(ids)):
        raw_staging.insert_one(foreign(n, _id=id, created=DatetimeMS(10**12 - n)))
    orders.sequence()

    assert totals(orders.read()) == list(range(20))


def test_a_transaction_that_commits_late_is_numbered_late(orders: Outbox) -> None:
    """Goes red when a sweep deletes by a range of `at`: the late one stands inside it."""
    with orders.collections.client.start_session() as session, session.start_transaction():
        orders.put(placed(1), session=session)
        orders.put(placed(2), standalone=True)
        assert orders.sequence() == 1

    assert orders.sequence() == 1
    assert totals(orders.read()) == [2, 1]


@pytest.mark.parametrize(
    "names",
    [
        ("data", "headers", "key", "type", "created", "at", "_id"),
        ("type", "_id", "at", "created", "key", "headers", "data"),
    ],
)
def test_the_fields_may_come_in_any_order(
    orders: Outbox, raw_staging: Collection[Document], names: tuple[str, ...]
) -> None:
    document = foreign(7, headers={"tenant": "acme"})
    raw_staging.insert_one(RawBSONDocument(bson.encode({name: document[name] for name in names})))
    orders.put(placed(8), standalone=True)
    orders.sequence()

    first = next(orders.read())
    assert (first.id, first.headers, first.key) == (document["_id"], {"tenant": "acme"}, "42")
    assert totals(orders.read()) == [7, 8]


# What the server refuses


def _upsert(staging: Collection[Document], id: ObjectId, fields: Document) -> None:
    staging.update_one({"_id": id}, {"$set": fields}, upsert=True)


def _find_and_modify(staging: Collection[Document], id: ObjectId, fields: Document) -> None:
    staging.find_one_and_update({"_id": id}, {"$set": fields}, upsert=True)


def _merge(staging: Collection[Document], id: ObjectId, fields: Document) -> None:
    source = staging.database.source
    source.insert_one({**fields, "_id": id, "at": 0})
    source.aggregate([{"$set": {"at": Timestamp(0, 0)}}, {"$merge": {"into": staging.name}}])


@pytest.mark.parametrize("write", [_upsert, _find_and_modify, _merge])
def test_a_document_without_the_server_s_stamp_is_refused(
    raw_staging: Collection[Document], write: Callable[[Collection[Document], ObjectId, Document], None]
) -> None:
    """Goes red when the validator does without `at: {$ne: Timestamp(0, 0)}`: such a document has no order."""
    fields = foreign()
    id = fields.pop("_id")
    with pytest.raises(OperationFailure) as raised:
        write(raw_staging, id, fields)

    assert raised.value.code == 121
    assert raw_staging.count_documents({}) == 0


def test_a_replacing_upsert_is_stamped(orders: Outbox, raw_staging: Collection[Document]) -> None:
    document = foreign(5)
    raw_staging.replace_one({"_id": document["_id"]}, document, upsert=True)

    assert orders.sequence() == 1


# The size of a sweep


def test_a_sweep_takes_no_more_than_its_records(orders: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshot, "FIRST_PAGE_RECORDS", 10)
    monkeypatch.setattr(snapshot, "PAGE_RECORDS", 10)
    monkeypatch.setattr(cleanup, "_WORTH", 1)
    orders.put([placed(n) for n in range(25)], standalone=True)
    worker = Sequencer(orders.collections)
    worker.take_over()

    swept = [worker.sweep() for _ in range(4)]
    assert [each.messages for each in swept] == [10, 10, 5, 0]
    assert [each.is_last for each in swept] == [False, False, True, True]


def test_at_a_low_rate_a_batch_is_one_record_and_a_backlog_is_packed(orders: Outbox) -> None:
    orders.put(placed(1), standalone=True)
    orders.sequence()
    orders.put([placed(n) for n in range(1200)], standalone=True)
    orders.sequence()

    assert [each.last - each.first + 1 for each in orders.log.batches_from(1, 99)] == [1, 500, 500, 200]


# Errors that pass


def _snapshot_refused(code: int, times: int) -> Any:
    left = [times]
    command = Database.command

    def refuse(self: Database[Any], *arguments: Any, **options: Any) -> Any:
        if isinstance(arguments[0], dict) and "find" in arguments[0] and left[0]:
            left[0] -= 1
            raise OperationFailure("the snapshot is not to be had", code)
        return command(self, *arguments, **options)

    return refuse


@pytest.mark.parametrize("code", [239, 246, 91, 10107])
def test_a_refused_snapshot_is_asked_for_again(orders: Outbox, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    orders.put(placed(1), standalone=True)
    monkeypatch.setattr(Database, "command", _snapshot_refused(code, 3))
    got: list[Record[Any]] = []
    orders.observe(1).subscribe(got.append)

    wait_until(lambda: totals(got) == [1], 30, "the message, once snapshots are to be had again")


def test_an_unexpected_document_in_the_log_stops_no_thread(orders: Outbox, caplog: pytest.LogCaptureFixture) -> None:
    """The sequencer's thread says what is wrong, and goes on when it is put right."""
    orders.collections.log.database.command(
        {"insert": "outbox", "documents": [{"_id": Int64(9), "last": Int64(9)}], "bypassDocumentValidation": True}
    )
    orders.put(placed(1), standalone=True)
    stop = threading.Event()
    thread = threading.Thread(
        target=lambda: run_sequencer(orders.collections, Sequencer(orders.collections), stop),
        name="outbox-sequencer-test",
    )
    thread.start()
    try:
        wait_until(lambda: "starts over" in " ".join(warnings_of(caplog)), 30, "a warning")
        assert thread.is_alive()
    finally:
        stop.set()
        thread.join(30)


def test_data_pass_untouched_whatever_their_types(orders: Outbox) -> None:
    data = {"order_id": "42", "bytes": b"\x00\xff", "list": [1, [2, {"three": None}]], "id": ObjectId(), "n": Int64(1)}
    unchecked(orders, foreign(data=data))
    orders.sequence()

    [record] = orders.read()
    assert record.data == data
