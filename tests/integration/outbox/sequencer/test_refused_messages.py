"""What the log refuses goes to the dead letters, and what it takes goes on: no message can stall the others."""

from __future__ import annotations

from typing import Any

import bson
import pytest
from bson import ObjectId, Timestamp
from bson.raw_bson import RawBSONDocument
from pymongo.collection import Collection
from pymongo.database import Database
from pymongo.errors import OperationFailure, WriteError

from outbox import Outbox, Record
from outbox.log import batch
from outbox.staging import document as staging
from tests.actors.order_service import MESSAGES, TreeGrown, foreign, new_outbox, placed, totals, unchecked, warnings_of
from tests.waiting import wait_until

Document = dict[str, Any]


def _nested(levels: int) -> Document:
    tree: Document = {}
    for _ in range(levels):
        tree = {"n": tree}
    return tree


def _deepest(orders: Outbox) -> int:
    """The most levels that staging takes, by trying."""
    for levels in range(182, 150, -1):
        try:
            orders.put(TreeGrown(tree=_nested(levels)), standalone=True)
        except OperationFailure:
            continue
        orders.collections.staging.delete_many({})
        return levels
    raise AssertionError("staging takes no nesting at all")


def test_a_message_nested_too_deep_for_the_log_goes_to_the_dead_letters_and_the_rest_flows(
    orders: Outbox, caplog: pytest.LogCaptureFixture
) -> None:
    """Goes red when code 15 is taken out of `_REFUSED`: one such put stalled everybody's."""
    deepest = _deepest(orders)
    orders.put(placed(1), standalone=True)
    ids = [orders.put(TreeGrown(tree=_nested(deepest - n)), standalone=True) for n in range(3)]
    orders.put(placed(2), standalone=True)

    numbered = orders.sequence()

    dead = list(orders.collections.dead.find(sort=[("_id", 1)]))
    assert dead
    assert {each["_id"] for each in dead} < set(ids)
    assert numbered == 5 - len(dead)
    assert totals([each for each in orders.read() if each.type == "order.placed"]) == [1, 2]
    assert orders.collections.staging.count_documents({}) == 0
    assert dead[0]["data"] == {"tree": _nested(deepest)}
    assert (dead[0]["reader"], dead[0]["seq"], dead[0]["type"], dead[0]["state"]) == (
        "sequencer", None, "tree.grown", "dead"
    )  # fmt: skip
    assert dead[0]["error"]["code"] == 15
    assert str(dead[0]["_id"]) in " ".join(warnings_of(caplog))


def test_the_background_sequencer_gets_over_it_too(database: Database[Document], orders: Outbox) -> None:
    orders.put(TreeGrown(tree=_nested(_deepest(orders))), standalone=True)
    orders.put(placed(1), standalone=True)
    got: list[Record[Any]] = []
    orders.observe(1).subscribe(got.append)

    wait_until(lambda: totals(got) == [1], 30, "the message behind the one that the log refuses")


garbage = [
    {"_id": 1},
    {"_id": ObjectId()},
    {"_id": {"a": 1}, "at": Timestamp(1, 1), "data": None},
    foreign(key=5),
    foreign(headers=None),
    foreign(headers=[]),
    foreign(data="text"),
    foreign(type=None),
    foreign(created="today"),
    foreign(at="now"),
    foreign(_id="text"),
    {name: value for name, value in foreign().items() if name != "data"},
    {name: value for name, value in foreign().items() if name != "type"},
]


@pytest.mark.parametrize("document", garbage)
def test_a_document_that_went_past_the_validator_goes_to_the_dead_letters(
    orders: Outbox, caplog: pytest.LogCaptureFixture, document: Document
) -> None:
    unchecked(orders, document)
    orders.put(placed(1), standalone=True)

    assert orders.sequence() == 1
    assert totals(orders.read(types=["order.placed"])) == [1]
    assert orders.collections.staging.count_documents({}) == 0
    [letter] = orders.collections.dead.find()
    assert letter["_id"] == document["_id"]
    assert "not a staging document" in letter["error"]["reason"]
    assert "dead" in " ".join(warnings_of(caplog))


def test_text_that_is_not_utf_8_stalls_nobody(orders: Outbox) -> None:
    for names in (list(foreign()), list(reversed(foreign()))):
        document = foreign(note=0, headers={"tenant": "acme!"})
        del document["note"]
        raw = bson.encode({name: document[name] for name in names}).replace(b"acme!", b"acme\xff")
        unchecked(orders, RawBSONDocument(raw))
    orders.put(placed(1), standalone=True)

    assert orders.sequence() == 3
    assert [each.headers for each in orders.read()] == [{"tenant": "acme\ufffd"}] * 2 + [{}]


def test_documents_up_to_the_limit_pass_and_larger_ones_are_refused(
    orders: Outbox, raw_staging: Collection[Document]
) -> None:
    base = len(bson.encode(foreign(data={"order_id": "42", "note": ""})))
    for size in (999_999, 1_000_000):
        raw_staging.insert_one(foreign(data={"order_id": "42", "note": "x" * (size - base)}))
    with pytest.raises(WriteError) as raised:
        raw_staging.insert_one(foreign(data={"order_id": "42", "note": "x" * (1_000_001 - base)}))

    assert raised.value.code == 121
    assert orders.sequence() == 2


def test_messages_near_16_mib_pass_when_the_limit_allows_them(database: Database[Document]) -> None:
    with new_outbox(database, capacity="68 MiB", max_message_bytes=batch.LARGEST_MESSAGE) as orders:
        base = len(staging.encode(ObjectId(), 0, "order.placed", "42", {}, {"order_id": "42", "note": ""}))
        orders.put(placed(1), standalone=True)
        note = "x" * (batch.LARGEST_MESSAGE - base)
        orders.put(MESSAGES[0](order_id="42", note=note), standalone=True)
        orders.put(placed(3), standalone=True)

        assert orders.sequence() == 3
        assert [each.seq for each in orders.read()] == [1, 2, 3]
        large = next(orders.read(2))
        assert large.data is not None
        assert large.data["note"] == note
