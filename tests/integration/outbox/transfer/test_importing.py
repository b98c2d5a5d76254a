"""An import puts each message once, whatever happens meanwhile, and loses nothing of it."""

from __future__ import annotations

import threading
from typing import Any

import bson
import pytest
from bson import Decimal128, Int64
from bson.raw_bson import RawBSONDocument
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pymongo.database import Database

from outbox import Outbox, OutboxNotCreated, tombstone
from outbox.archive.line import record
from outbox.errors import ImportRefused
from outbox.mongo.codec import DECODED
from outbox.transfer.importing import MOST_LINES, import_lines
from tests.actors.catalogue import MESSAGES as PRICES
from tests.actors.catalogue import Price
from tests.actors.order_service import StockCounted, foreign, placed, unchecked
from tests.actors.transferring import another, exported, imported, messages
from tests.anything import BSON_VALUES, NAMES


def put(orders: Outbox, count: int) -> None:
    orders.put([placed(number) for number in range(count)], standalone=True, headers={"tenant": "acme"})
    orders.sequence()


def test_messages_get_new_numbers_and_say_where_they_are_from(orders: Outbox, copy: Outbox) -> None:
    copy.put(StockCounted(count=1), standalone=True)
    put(orders, 1)
    imported(copy, exported(orders))
    [old], [_, new] = orders.read(), copy.read()

    assert (new.seq, new.type, new.key, new.data) == (2, old.type, old.key, old.data)
    assert new.id != old.id
    assert new.headers == {
        "tenant": "acme",
        "origin-outbox": orders.collections.log.full_name,
        "origin-seq": "1",
        "origin-id": str(old.id),
        "origin-created": old.created.isoformat(timespec="milliseconds")[:23] + "Z",
    }


def test_importing_twice_puts_once_also_when_staging_is_empty_by_then(orders: Outbox, copy: Outbox) -> None:
    put(orders, 3)
    lines = exported(orders)

    assert [imported(copy, lines).put for _ in range(2)] == [3, 0]
    put(orders, 2)
    assert imported(copy, exported(orders)).put == 2
    assert messages(copy) == messages(orders)


def test_a_line_that_is_given_twice_in_one_import_is_put_once(orders: Outbox, copy: Outbox) -> None:
    put(orders, 2)
    lines = exported(orders)

    assert imported(copy, [*lines, *lines]).put == 2
    assert messages(copy) == messages(orders)


def test_two_imports_at_once_put_once_and_in_order(orders: Outbox, copy: Outbox) -> None:
    put(orders, 3 * MOST_LINES)
    lines = exported(orders)
    both = [threading.Thread(target=import_lines, args=(copy.collections, lines)) for _ in range(2)]
    for each in both:
        each.start()
    for each in both:
        each.join()
    copy.sequence()

    assert messages(copy) == messages(orders)


def test_a_message_that_comes_by_two_ways_is_put_once(orders: Outbox, copy: Outbox, database: Database[Any]) -> None:
    put(orders, 2)
    with another(database, "third") as third:
        imported(third, exported(orders))
        imported(copy, exported(orders))

        assert imported(copy, exported(third)).put == 0


def grown(tree: dict[str, Any]) -> RawBSONDocument:
    staged = foreign(type="tree.grown", key=None, data={"tree": tree})
    return RawBSONDocument(bson.encode(staged, codec_options=DECODED))


DATA = st.dictionaries(NAMES.filter(lambda name: name and "$" not in name and "." not in name), BSON_VALUES, max_size=4)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(DATA, min_size=1, max_size=3))
def test_export_import_export_gives_the_same_messages_with_their_types(
    orders: Outbox, copy: Outbox, data: list[dict[str, Any]]
) -> None:
    for each in (orders, copy):
        each.collections.imported.delete_many({})
    before, after = orders.log.head(), copy.log.head()
    unchecked(orders, *map(grown, data))
    orders.sequence()
    imported(copy, exported(orders, before + 1))
    again = [record(line).stored["data"] for line in exported(copy, after + 1)]

    once = [record(line).stored["data"] for line in exported(orders, before + 1)]
    assert [bson.encode(each, codec_options=DECODED) for each in again] == [
        bson.encode(each, codec_options=DECODED) for each in once
    ]


def test_types_that_json_has_not_stay_what_they_are(orders: Outbox, copy: Outbox) -> None:
    tree = {"long": Int64(5), "int": 5, "price": Decimal128("9.90"), "bytes": b"x", "double": 5.0}
    unchecked(orders, grown(tree))
    orders.sequence()
    imported(copy, exported(orders))
    [new] = copy.read()

    assert new.data == {"tree": tree}
    assert {name: type(value) for name, value in new.stored["data"]["tree"].items()} == {
        name: type(value) for name, value in tree.items()
    }


def test_tombstones_are_imported_as_what_they_are(database: Database[Any]) -> None:
    prices, copy = [Outbox(database, name, messages=PRICES, sequence=False) for name in ("prices", "copy")]
    for each in (prices, copy):
        each.create()
    prices.put([Price(sku="a", cents=1), tombstone(Price, key="a")], standalone=True)
    prices.sequence()
    imported(copy, exported(prices))

    assert messages(copy) == messages(prices)
    assert [record.data is None for record in copy.read()] == [False, True]


def test_a_line_that_is_refused_is_named_and_what_comes_before_it_is_in(orders: Outbox, copy: Outbox) -> None:
    put(orders, 3)
    lines = exported(orders)
    wrong = [*lines[:2], lines[2].replace(b'"total":2', b'"total":"two"')]

    named = rf"line 3 \(id {record(lines[2]).id}\) cannot be imported: .*data.total: bsonType"
    with pytest.raises(ImportRefused, match=named) as refused:
        import_lines(copy.collections, wrong)
    assert "two" not in str(refused.value)
    assert imported(copy, lines).put == 1
    assert messages(copy) == messages(orders)


@pytest.mark.parametrize("wrong", [b"\n", b"hello\n", b'{"seq":1'])
def test_what_is_no_message_is_named_by_its_line(wrong: bytes, orders: Outbox, copy: Outbox) -> None:
    put(orders, 2)

    with pytest.raises(ImportRefused, match="line 3 cannot be imported"):
        import_lines(copy.collections, [*exported(orders), wrong])
    copy.sequence()
    assert messages(copy) == messages(orders)


def test_a_type_that_the_outbox_has_not_is_refused_until_create_makes_it(
    orders: Outbox, database: Database[Any]
) -> None:
    put(orders, 1)
    copy = Outbox(database, "few", messages=[StockCounted], sequence=False)
    copy.create()

    with pytest.raises(ImportRefused, match=r"no message type 'order.placed' here; there is stock.counted"):
        import_lines(copy.collections, exported(orders))
    with another(database, "few") as more:
        assert imported(more, exported(orders)).put == 1


def test_an_outbox_that_was_not_created_is_refused(orders: Outbox, database: Database[Any]) -> None:
    with pytest.raises(OutboxNotCreated), Outbox(database, "none") as none:
        import_lines(none.collections, [])
    assert "none.imported" not in database.list_collection_names()


def test_what_was_put_into_one_that_is_made_anew_meanwhile_goes_on(orders: Outbox, copy: Outbox) -> None:
    put(orders, MOST_LINES + 1)

    def made_anew(_: object) -> None:
        if not anew:
            anew.append(1)
            copy.drop()
            copy.create()

    anew: list[int] = []
    assert import_lines(copy.collections, exported(orders), made_anew).put == MOST_LINES + 1
    copy.sequence()
    assert [record.headers["origin-seq"] for record in copy.read()] == [str(MOST_LINES + 1)]
