"""The numbers of outboxes in a registry of prometheus_client."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from pymongo import AsyncMongoClient, MongoClient
from pymongo.database import Database
from pymongo.errors import ServerSelectionTimeoutError

from outbox import AsyncOutbox, Outbox, Record
from outbox.metrics import OutboxCollector
from outbox.metrics.collector import ASK_SECONDS
from outbox.metrics.numbers import Numbers
from outbox.metrics.outbox import OutboxNumbers
from outbox.testing import FakeClock
from tests.actors.exposed import Exposed
from tests.actors.order_service import MESSAGES, placed

Document = dict[str, Any]


def test_puts_are_counted_by_their_type_from_0_on(orders: Outbox) -> None:
    exposed = Exposed(orders)

    before = exposed.value("outbox_put_messages_total", orders, type="order.placed")
    orders.put([placed(1), placed(2)], standalone=True)

    assert before == 0
    assert exposed.value("outbox_put_messages_total", orders, type="order.placed") == 2
    assert exposed.value("outbox_put_messages_total", orders, type="order.cancelled") == 0


def test_a_consumer_s_handler_is_counted_and_timed(orders: Outbox) -> None:
    orders.put([placed(1), placed(2)], standalone=True)
    stop, seen, exposed = threading.Event(), list[int](), Exposed(orders)

    def handle(record: Record[Any]) -> None:
        seen.append(record.seq)
        if seen == [1]:
            raise ValueError("once")
        if record.seq == 2:
            stop.set()

    orders.sequence()
    orders.consumer("billing").run(handle, stop=stop)

    labels = {"reader": "consumer:billing"}
    assert exposed.value("outbox_handled_messages_total", orders, result="ok", **labels) == 2
    assert exposed.value("outbox_handled_messages_total", orders, result="failed", **labels) == 1
    assert exposed.value("outbox_handle_seconds_count", orders, **labels) == 2


def test_two_outboxes_stand_beside_each_other(orders: Outbox, database: Database[Document]) -> None:
    with Outbox(database, "other", messages=MESSAGES, sequence=False) as other:
        other.create()
        other.put(placed(1), standalone=True)
        exposed = Exposed(orders, other)

        assert exposed.value("outbox_staging_messages", orders) == 0
        assert exposed.value("outbox_staging_messages", other) == 1


def test_outboxes_of_one_name_are_told_apart_by_their_databases(
    orders: Outbox, mongo: MongoClient[Document], database: Database[Document]
) -> None:
    with Outbox(mongo[f"{database.name}_2"], messages=MESSAGES, sequence=False) as other:
        alone = OutboxCollector(orders, orders)
        together = OutboxCollector(orders, other)

        labels = {each.families[1].labels for each in (alone, together)}

        assert labels == {("outbox", "type"), ("database", "outbox", "type")}
        assert len(together.numbers().values["outbox_put_messages_total"]) == 2 * len(MESSAGES)


def test_what_an_outbox_that_is_open_twice_has_counted_is_one_sum(orders: Outbox, database: Database[Document]) -> None:
    orders.put(placed(1), standalone=True)
    with Outbox(database, messages=MESSAGES, sequence=False) as again:
        again.put(placed(2), standalone=True)

        assert Exposed(orders, again).value("outbox_put_messages_total", orders, type="order.placed") == 2


def test_without_the_database_what_the_process_has_counted_is_there(
    orders: Outbox, caplog: pytest.LogCaptureFixture
) -> None:
    orders.put(placed(1), standalone=True)
    with MongoClient[Document]("mongodb://127.0.0.1:9/?serverSelectionTimeoutMS=100", connect=False) as client:
        away = Outbox(client.shop, messages=MESSAGES, sequence=False)
        collector = OutboxCollector(away, orders, clock=FakeClock())

        numbers = collector.numbers()
        collector.numbers()

    assert numbers.values["outbox_put_messages_total"][("shop", "outbox", "order.placed")] == 0
    assert len(numbers.values["outbox_log_head_seq"]) == 1
    assert caplog.text.count("lack what the database knows") == 1


def test_a_database_that_is_away_is_waited_for_once_however_many_outboxes_it_has(
    orders: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, asked = FakeClock(), list[str]()

    def away(outbox: OutboxNumbers, _: Numbers) -> None:
        asked.append(outbox.collections.name)
        clock.advance(ASK_SECONDS)
        raise ServerSelectionTimeoutError("away")

    monkeypatch.setattr(OutboxNumbers, "ask", away)
    database = orders.collections.database
    outboxes = [Outbox(database, f"orders{number}", sequence=False) for number in range(3)]

    numbers = OutboxCollector(*outboxes, clock=clock).numbers()

    assert asked == ["orders0"]
    assert len(numbers.values["outbox_lease_held"]) == 3


def test_puts_of_an_asynchronous_outbox_are_counted(mongo_uri: str, database: Database[Document]) -> None:
    async def put() -> float | None:
        async with (
            AsyncMongoClient[Document](mongo_uri) as client,
            AsyncOutbox(client[database.name], messages=MESSAGES, sequence=False) as orders,
        ):
            await orders.create()
            await orders.put(placed(1), standalone=True)
            exposed = await asyncio.to_thread(Exposed, orders)
            return await asyncio.to_thread(exposed.value, "outbox_put_messages_total", orders, type="order.placed")

    assert asyncio.run(put()) == 1
