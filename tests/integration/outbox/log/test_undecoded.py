"""BSON that pymongo cannot read stops nobody: not the sequencer, not other records' readers, not the relay."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import bson
import pytest
from bson import ObjectId
from bson.raw_bson import RawBSONDocument
from pymongo.database import Database

from outbox import Outbox, Record, UndecodableRecord
from outbox.cli.terminal import RecordPrinter, print_json
from outbox.dead_letters.admin import Selection
from outbox.dead_letters.document import as_json
from outbox.dead_letters.policy import OnPoison
from outbox.mongo.elements import DOCUMENT, Element, document
from outbox.sequencer.sequencer import Sequencer
from relay.errors import PoisonMessage
from relay.testing import MemorySink
from tests.actors.order_service import foreign, new_outbox, placed, totals, unchecked
from tests.actors.price_service import arrived, dead_letter_admin, relay
from tests.actors.relay_thread import run_once, saved_seq
from tests.doubles.unreadable import DATA, UNREADABLE, with_data
from tests.waiting import wait_until

Document = dict[str, Any]


@pytest.fixture
def orders(database: Database[Document]) -> Iterator[Outbox]:
    with new_outbox(database) as outbox:
        yield outbox


@pytest.fixture(params=DATA)
def unreadable(request: pytest.FixtureRequest, orders: Outbox) -> ObjectId:
    """The second of three messages of one key, which is numbered; its id."""
    whole = with_data(DATA[request.param])
    for each in (foreign(1), whole, foreign(3)):
        unchecked(orders, each)
    assert orders.sequence() == 3
    return ObjectId(whole["_id"])


def test_the_next_sequencer_goes_on_behind_it(orders: Outbox) -> None:
    """Goes red when taking over decodes the newest record: nobody could sequence any more, for ever."""
    for data in DATA.values():
        unchecked(orders, with_data(data))
        assert orders.sequence() == 1
    orders.put(placed(9), standalone=True)
    got: list[Record[Any]] = []
    orders.observe(len(DATA) + 1).subscribe(got.append)
    wait_until(lambda: totals(got) == [9], 30, "the message behind it")


def test_a_reader_gets_it_and_asking_for_its_data_names_it(orders: Outbox, unreadable: ObjectId) -> None:
    """Goes red when one record hides the others of its batch."""
    records = list(orders.read())
    with pytest.raises(UndecodableRecord, match=f"seq 2 .id {unreadable}.") as raised:
        _ = records[1].data

    assert [(each.seq, each.type, each.key, each.headers) for each in records] == [
        (seq, "order.placed", "42", {}) for seq in (1, 2, 3)
    ]
    assert (raised.value.seq, raised.value.id, raised.value.field) == (2, unreadable, "data")
    assert (records[0].data, records[2].data) == (foreign(1)["data"], foreign(3)["data"])
    assert str(unreadable) in repr(records[1])


def test_a_subscriber_that_needs_its_data_is_told_and_one_that_catches_it_goes_on(
    orders: Outbox, unreadable: ObjectId
) -> None:
    told: list[Exception] = []
    passed: list[int] = []

    def careful(record: Record[Any]) -> None:
        try:
            assert record.data is not None
        except UndecodableRecord as error:
            passed.append(error.seq)
        else:
            passed.append(record.seq)

    orders.observe(1).subscribe(lambda record: [record.data].clear(), told.append)
    orders.observe(1).subscribe(careful)
    wait_until(lambda: told, 30, "the one to be told")
    wait_until(lambda: passed == [1, 2, 3], 30, "the other to have passed it")

    assert isinstance(told[0], UndecodableRecord)


@pytest.mark.parametrize("start", [2, 3])
def test_a_reader_that_was_put_next_to_it_knows_its_log_again(orders: Outbox, unreadable: ObjectId, start: int) -> None:
    reader = orders.reader(start)
    assert [record.seq for record in reader.read()] == list(range(start, 4))
    reader.verify()
    reader.close()


def test_a_relay_that_stops_at_poison_stops_at_it_and_names_it(orders: Outbox, unreadable: ObjectId) -> None:
    sink = MemorySink()
    with pytest.raises(PoisonMessage, match="seq 2 .*cannot be decoded") as raised:
        run_once(relay(orders, sink, "stop"))

    assert (raised.value.code, raised.value.id) == ("undecodable", str(unreadable))
    assert (arrived(sink), saved_seq(orders)) == ([("42", 1)], 1)


@pytest.mark.parametrize(("policy", "seqs"), [("dead-letter", [1, 3]), ("park-key", [1])])
def test_a_relay_puts_it_aside_as_it_is(
    orders: Outbox, unreadable: ObjectId, policy: OnPoison, seqs: list[int]
) -> None:
    sink = MemorySink()
    run_once(relay(orders, sink, policy))
    listed = list(dead_letter_admin(orders).letters(Selection()))
    shown = dead_letter_admin(orders).letter(unreadable)
    stored = orders.log.record_at(2)

    assert [seq for _, seq in arrived(sink)] == seqs
    assert listed[0]["_id"] == unreadable
    assert shown is not None
    assert stored is not None
    assert shown["data"] == stored.stored["data"]
    assert shown["error"]["code"] == "undecodable"
    assert "undecodable" in json.dumps(as_json(shown)["data"])
    assert saved_seq(orders) == 3


def test_its_letter_can_be_requeued_and_discarded_as_any_other(orders: Outbox, unreadable: ObjectId) -> None:
    sink = MemorySink()
    run_once(relay(orders, sink, "park-key"))
    assert dead_letter_admin(orders).requeue(Selection(id=unreadable)).letters == 2
    run_once(relay(orders, sink, "park-key"))
    again = dead_letter_admin(orders).letter(unreadable)
    assert again is not None
    assert again["attempts"] == 2
    assert dead_letter_admin(orders).discard(Selection(id=unreadable)) == 1
    run_once(relay(orders, sink, "park-key"))

    assert [seq for _, seq in arrived(sink)] == [1, 3]
    assert list(orders.collections.dead.find()) == []


def test_it_is_printed_for_people_and_for_programs(
    orders: Outbox, unreadable: ObjectId, capsys: pytest.CaptureFixture[str]
) -> None:
    for record in orders.read():
        print_json(record)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    for record in orders.read():
        RecordPrinter()(record)

    assert [list(line["data"]) for line in lines][1] == ["undecodable"]
    assert "undecodable" in capsys.readouterr().out


# Past the validator


def test_any_field_may_be_unreadable(orders: Outbox) -> None:
    """Each of these is buried as it is, or passes; none is looked into."""
    whole = foreign()
    for name in ("_id", "at", "created", "type", "key", "headers"):
        raw = {each: bson.encode({each: value})[4:-1] for each, value in {**whole, "_id": ObjectId()}.items()}
        unchecked(orders, RawBSONDocument(document({**raw, name: UNREADABLE.named(name.encode())}.values())))
    inside = Element(DOCUMENT, document([UNREADABLE.named(b"b")]))
    for name in ("_id", "headers"):
        raw = {each: bson.encode({each: value})[4:-1] for each, value in {**whole, "_id": ObjectId()}.items()}
        unchecked(orders, RawBSONDocument(document({**raw, name: inside.named(name.encode())}.values())))
    orders.put(placed(9), standalone=True)
    orders.sequence()
    *others, last = orders.read()

    assert last.data == {"order_id": "42", "total": 9}
    with pytest.raises(UndecodableRecord, match="the headers of"):
        _ = others[0].headers
    assert orders.collections.staging.count_documents({}) == 0
    assert len(list(dead_letter_admin(orders).letters(Selection()))) == 7
    assert dead_letter_admin(orders).discard(Selection()) == 7


def test_a_sequencer_that_meets_it_in_the_change_stream_dead_letters_it_as_well(orders: Outbox) -> None:
    worker = Sequencer(orders.collections)
    worker.take_over()
    unchecked(orders, RawBSONDocument(document([bson.encode({"_id": ObjectId()})[4:-1], UNREADABLE.named(b"at")])))
    assert worker.sweep().messages == 1
    worker.release()

    assert orders.collections.dead.count_documents({}) == 1
