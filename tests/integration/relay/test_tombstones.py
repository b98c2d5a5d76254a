"""A tombstone on its way from put to a sink, by both encoders, and through the dead letters."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from pymongo.database import Database

from outbox import Outbox, tombstone
from outbox.dead_letters.admin import Selection
from relay.encoding import encoder
from relay.testing import MemorySink
from tests.actors.catalogue import BasketLine, Price, line, new_catalogue, price
from tests.actors.price_service import dead_letter_admin, refuse, relay
from tests.actors.relay_thread import run_once

Document = dict[str, Any]


@pytest.fixture
def catalogue(database: Database[Document]) -> Iterator[Outbox]:
    with new_catalogue(database, capacity="16 MiB") as outbox:
        yield outbox


@pytest.fixture(params=["compiled", "python"])
def sink(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> MemorySink:
    if request.param == "python":
        monkeypatch.setattr(encoder, "_encode_plain", None)
    return MemorySink()


def put(catalogue: Outbox, *messages: Any) -> None:
    catalogue.put(list(messages), standalone=True)
    assert catalogue.sequence() == len(messages)


def values(sink: MemorySink) -> list[bytes | None]:
    return [record.value for record in sink.records]


def test_readers_see_no_data_and_no_message(catalogue: Outbox) -> None:
    put(catalogue, price("a", 1), tombstone(Price, key="a"), tombstone(BasketLine, key="o1", line_id=7))

    _, of_price, of_line = catalogue.read(types=[Price, BasketLine])

    assert (of_price.type, of_price.key, of_price.data, of_price.message) == ("price", "a", None, None)
    assert (of_line.key, of_line.headers, of_line.data) == ("o1", {"compaction-id": "7"}, None)


def test_the_value_is_null_only_where_the_key_is_all_that_it_is_of(catalogue: Outbox, sink: MemorySink) -> None:
    put(
        catalogue,
        price("a", 1),
        tombstone(Price, key="a"),
        line("o1", 7, 2),
        tombstone(BasketLine, key="o1", line_id=7),
    )
    put(catalogue, tombstone(Price, key="a"))

    run_once(relay(catalogue, sink))

    assert values(sink) == [b'{"sku":"a","cents":1}', None, b'{"order_id":"o1","line":7,"pieces":2}', b"null", None]
    assert [dict(record.headers).get("compaction-id") for record in sink.records] == [None, None, None, b"7", None]


def test_one_that_was_put_aside_is_sent_again_as_what_it_is(catalogue: Outbox, sink: MemorySink) -> None:
    put(catalogue, tombstone(Price, key="a"), tombstone(BasketLine, key="a", line_id=7), price("a", 2))
    refuse(sink, 1)
    run_once(relay(catalogue, sink, "park-key"))
    assert values(sink) == []
    letters = list(catalogue.collections.dead.find(sort=[("seq", 1)]))
    assert [letter["data"] for letter in letters] == [None, None, {"sku": "a", "cents": 2}]

    refuse(sink)
    dead_letter_admin(catalogue).requeue(Selection())
    run_once(relay(catalogue, sink, "park-key"))

    assert values(sink) == [None, b"null", b'{"sku":"a","cents":2}']
