"""The public face as its users see it: checked by mypy and pyright, never run. A change here is a change for them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, assert_type

from bson import ObjectId
from mongoengine import EmbeddedDocument, StringField
from opentelemetry.metrics import get_meter
from prometheus_client import CollectorRegistry
from pymongo import AsyncMongoClient, MongoClient
from pymongo.asynchronous.client_session import AsyncClientSession
from reactivex import Observable

from outbox import (
    AsyncInbox,
    AsyncOutbox,
    Consumer,
    Headroom,
    Held,
    HistoryLost,
    Inbox,
    Location,
    OnGap,
    Outbox,
    OutboxError,
    Projection,
    ProjectionDiffers,
    ReaderShare,
    ReaderStatus,
    Record,
    Reject,
    Start,
    Status,
    message,
    tombstone,
)
from outbox.archive import Archive, Found
from outbox.embedded.mongo import EmbeddedMongo
from outbox.events import CaughtUp, Disconnected, Event
from outbox.metrics import OutboxCollector
from outbox.metrics.opentelemetry import instrument
from outbox.operators import Acknowledges, ack_after, batch, by_key, caught_up, of_type
from outbox.testing import MemoryOutbox
from relay import (
    KafkaSink,
    KafkaTransactions,
    NewTopics,
    PoisonMessage,
    Relay,
    RelayCollector,
    RelayError,
    Sink,
    Topics,
    TransactionalSink,
)


@message("order.placed", key="order_id")
class OrderPlaced(EmbeddedDocument):
    order_id = StringField(required=True)


@message("order.cancelled", key="order_id")
class OrderCancelled(EmbeddedDocument):
    order_id = StringField(required=True)


def put_alone_or_many_in_a_transaction(client: MongoClient[dict[str, Any]]) -> None:
    with Outbox(client["shop"], messages=[OrderPlaced], capacity="256 MiB") as orders:
        orders.create()
        assert_type(orders.put(OrderPlaced(order_id="42"), standalone=True), ObjectId)
        assert_type(orders.put(OrderPlaced(order_id="42"), standalone=True, if_changed=True), ObjectId | None)
        assert_type(orders.put([OrderPlaced()], standalone=True, if_changed=True), list[ObjectId | None])
        with client.start_session() as session, session.start_transaction():
            one = orders.put(OrderPlaced(order_id="42"), session=session, headers={"tenant": "acme"})
            many = orders.put([OrderPlaced(order_id="42"), OrderPlaced(order_id="43")], session=session)
        assert_type(one, ObjectId)
        assert_type(many, list[ObjectId])


def observe_from_anywhere(orders: Outbox) -> None:
    records = orders.observe()
    assert_type(records, Observable[Record[Any]])
    orders.observe(start="earliest")
    orders.observe(start=17, types=[OrderPlaced, "order.cancelled"], key="42")
    orders.observe(start=datetime(2026, 1, 1, tzinfo=UTC), on_gap="error")
    orders.observe(on_gap=tell)
    orders.observe("begining")  # type: ignore[arg-type]  # none of the words
    orders.observe(on_gap="ignore")  # type: ignore[arg-type]  # nor this
    with records.subscribe(print):
        pass


def choose_and_listen(orders: Outbox) -> None:
    orders.observe(where=lambda record: record.key == "42", on_event=hear)
    assert_type(orders.read(where=is_large), Iterator[Record[Any]])
    orders.observe(where="order.placed")  # type: ignore[arg-type]  # no function
    orders.observe(where=handle_later)  # type: ignore[arg-type]  # a coroutine function
    orders.observe(on_event=is_large)  # type: ignore[arg-type]  # no function of an event


def is_large(record: Record[Any]) -> bool:
    return record.data is not None


def hear(event: Event) -> None:
    match event:
        case CaughtUp(head):
            assert_type(head, int)
        case Disconnected(error):
            assert_type(error, BaseException)
        case _:
            pass


async def handle_later(record: Record[Any]) -> bool:
    return True


def handle_placed(record: Record[OrderPlaced]) -> None:
    assert_type(record.message, OrderPlaced | None)


def handle_number(record: Record[int]) -> None:
    assert_type(record.message, int | None)


def chain_operators(orders: Outbox, consumer: Acknowledges) -> None:
    records = orders.observe("earliest")
    placed = records.pipe(of_type(OrderPlaced))
    assert_type(placed, Observable[Record[OrderPlaced]])
    assert_type(records.pipe(of_type(OrderPlaced, OrderCancelled)), Observable[Record[OrderPlaced | OrderCancelled]])
    assert_type(records.pipe(of_type([OrderPlaced])), Observable[Record[OrderPlaced]])
    assert_type(records.pipe(of_type("order.placed", OrderPlaced)), Observable[Record[Any]])
    assert_type(placed.pipe(by_key(4, handle_placed)), Observable[Record[OrderPlaced]])
    assert_type(placed.pipe(ack_after(consumer, handle_placed)), Observable[Record[OrderPlaced]])
    assert_type(placed.pipe(batch(100, 0.5)), Observable[list[Record[OrderPlaced]]])
    assert_type(records.pipe(caught_up()), Observable[Record[Any] | CaughtUp])
    assert_type(
        records.pipe(of_type(OrderPlaced), by_key(4, handle_placed), batch(100, 0.5), caught_up()),
        Observable[list[Record[OrderPlaced]] | CaughtUp],
    )
    placed.pipe(by_key(4, handle_number))  # type: ignore[arg-type]  # an effect of other records
    records.pipe(by_key("4", handle_placed))  # type: ignore[arg-type]  # no number


def find_and_wait(orders: Outbox, id: ObjectId) -> None:
    found = orders.find(id)
    assert_type(found, Location)
    assert_type(found.seq, int | None)
    assert_type(found.passed, tuple[str, ...])
    orders.find(str(id))
    orders.wait_for(id, reader="relay:kafka", timeout=2.5)
    orders.wait_for(id)  # type: ignore[call-arg]  # a reader is to be named


def handle_once(client: MongoClient[dict[str, Any]], id: ObjectId) -> None:
    inbox = Inbox(client["billing"], name="inbox", keep=timedelta(days=30))
    inbox.create()
    with client.start_session() as session, session.start_transaction():
        assert_type(inbox.once(id, consumer="billing", session=session), bool)
        inbox.once(str(id), "billing", session=session)
    inbox.once(7, session=None)  # type: ignore[arg-type]  # no id


def tell(lost: HistoryLost) -> None:
    assert_type(lost.expected, int)


def read_to_the_head(orders: Outbox) -> None:
    assert_type(orders.read(start="earliest"), Iterator[Record[Any]])


def take_a_record_apart(record: Record[Any]) -> None:
    assert_type(record.seq, int)
    assert_type(record.id, ObjectId)
    assert_type(record.type, str)
    assert_type(record.key, str | None)
    assert_type(record.created, datetime)
    assert_type(record.headers, dict[str, str])
    assert_type(record.data, dict[str, Any] | None)


def look_after_it(orders: Outbox) -> None:
    assert_type(orders.sequence(), int)
    assert_type(orders.status(), Status)
    assert_type(orders.status().held, Held | None)
    assert_type(orders.status().cursors[0].headroom, Headroom | None)
    assert_type(orders.readers(), list[ReaderStatus])
    assert_type(orders.readers()[0].position, int | None)
    assert_type(orders.readers()[0].paused, bool)
    assert_type(orders.readers()[0].of_shares, tuple[ReaderShare, ...])
    orders.drop()


def tell_errors_apart(orders: Outbox) -> None:
    try:
        for _ in orders.read():
            pass
    except HistoryLost as lost:
        assert_type(lost.expected, int)
        assert_type(lost.oldest, int)
    except OutboxError:
        pass


def relay_in_process(orders: Outbox, stop: threading.Event) -> None:
    Relay(orders, KafkaSink("localhost:9092"), topics=Topics("{type}"), name="kafka", start="beginning").run(stop)


def relay_exactly_once(orders: Outbox, stop: threading.Event) -> None:
    sink = KafkaTransactions("localhost:9092", {"compression.type": "zstd"}, create=NewTopics(3, 3), cursors="cursors")
    Relay(orders, sink, shares=4).run(stop)


def embed_a_mongodb() -> None:
    with EmbeddedMongo() as mongo:
        assert_type(mongo.uri, str)


def put_without_a_server() -> None:
    memory = MemoryOutbox(messages=[OrderPlaced])
    assert_type(memory.put(OrderPlaced(order_id="42"), standalone=True), ObjectId)
    assert_type(memory.put([OrderPlaced(order_id="42")], headers={"tenant": "acme"}, standalone=True), list[ObjectId])
    assert_type(memory.put([OrderPlaced(), tombstone(OrderPlaced, key="42")], standalone=True), list[ObjectId])
    assert_type(memory.records, list[Record[Any]])


def name_what_is_handed_on(orders: Outbox, start: Start, on_gap: OnGap) -> None:
    assert_type(orders.read(start, on_gap=on_gap), Iterator[Record[Any]])


def relay_to_a_sink_of_ones_own(orders: Outbox, sink: Sink, transactional: TransactionalSink) -> None:
    Relay(orders, transactional)
    try:
        Relay(orders, sink).run(threading.Event())
    except PoisonMessage as poison:
        assert_type(poison.seq, int)
    except RelayError:
        pass


def projections(orders: Outbox, stop: threading.Event) -> None:
    def add(state: dict[str, int], record: Record[OrderPlaced]) -> dict[str, int]:
        return state

    def count(state: int, record: Record[Any]) -> int:
        return state + 1

    revenue = orders.projection("revenue", types=[OrderPlaced], initial=dict, apply=add, by="key", shares=2)
    counted = orders.projection("counted", initial=int, apply=count, by=lambda record: record.seq % 7, version=2)

    assert_type(revenue, Projection[dict[str, int]])
    assert_type(counted, Projection[int])
    assert_type(revenue.state("ada"), dict[str, int] | None)
    assert_type(dict(counted.states()), dict[str | None, int])
    revenue.run(stop)
    assert_type(revenue.rebuild(), bool)
    try:
        revenue.verify()
    except ProjectionDiffers as differs:
        assert_type(differs.key, str | None)
    revenue.wait_caught_up(timeout=3)
    assert_type(revenue.position(), int | None)
    assert_type(revenue.forget(), bool)


def consumers(orders: Outbox, record: Record[Any], stop: threading.Event) -> None:
    billing = orders.consumer("billing", types=[OrderPlaced], concurrency=4, attempts=None, on_poison="dead-letter")
    anything = orders.consumer("all", types=["order.placed"], shares=2, start=7, key="42", on_event=print)

    assert_type(billing, Consumer[OrderPlaced])
    assert_type(anything, Consumer[Any])
    assert_type(billing.observe(), Observable[Record[OrderPlaced]])
    both: Consumer[OrderPlaced | OrderCancelled] = orders.consumer("both", types=[OrderPlaced, OrderCancelled])
    assert_type(both.observe(), Observable[Record[OrderPlaced | OrderCancelled]])
    billing.run(handle_placed)
    billing.run(handle_number)  # type: ignore[arg-type]  # other records
    billing.run(lambda record: record.message, stop=stop)
    anything.run_in_transaction(lambda record, session: session.in_transaction, batch=10)
    billing.ack(record)
    billing.stop()
    billing.wait_caught_up(timeout=3)
    assert_type(billing.position(), int | None)
    assert_type(billing.reset("latest"), int)
    assert_type(billing.forget(), bool)
    raise Reject("why")


async def asynchronous(client: AsyncMongoClient[dict[str, Any]]) -> None:
    async def handle(record: Record[OrderPlaced]) -> None:
        assert_type(record.message, OrderPlaced | None)

    async def handle_other(record: Record[int]) -> None: ...

    async def handle_in_transaction(record: Record[OrderPlaced], session: AsyncClientSession) -> None: ...

    async with AsyncOutbox(client.shop, messages=[OrderPlaced]) as orders:
        await orders.create()
        async with client.start_session() as session, await session.start_transaction():
            assert_type(await orders.put(OrderPlaced(order_id="42"), session=session), ObjectId)
            assert_type(await orders.put([OrderPlaced(order_id="42")], session=session), list[ObjectId])
        async for record in orders.observe(start="earliest", types=[OrderPlaced]):
            assert_type(record, Record[Any])
        async for newest in orders.latest([OrderPlaced]):
            assert_type(newest, Record[Any])
        placed = OrderPlaced(order_id="42")
        assert_type(await orders.put(placed, standalone=True, if_changed=True), ObjectId | None)
        assert_type(await orders.put([placed], standalone=True, if_changed=True), list[ObjectId | None])
        assert_type(await orders.status(), Status)
        assert_type(await orders.readers(), list[ReaderStatus])
        assert_type(await orders.find("0" * 24), Location)
        spent = orders.projection("spent", initial=int, apply=lambda state, _: state + 1, types=[OrderPlaced], by="key")
        await spent.run()
        assert_type(await spent.state("42"), int | None)
        async for key, state in spent.states():
            assert_type((key, state), tuple[str | None, int])
        assert_type(await spent.rebuild(), bool)
        billing = orders.consumer("billing", types=[OrderPlaced])
        await billing.run(handle)
        await billing.run(handle_other)  # type: ignore[arg-type]  # other records
        await billing.run(handle_placed)  # type: ignore[arg-type]  # no coroutine
        await billing.run_in_transaction(handle_in_transaction, batch=10)
        async for delivered in billing.observe():
            assert_type(delivered, Record[OrderPlaced])
            billing.ack(delivered)
        assert_type(await billing.position(), int | None)
        assert_type(await AsyncInbox(client.shop).once("a"), bool)


def archive() -> None:
    archive = Archive("s3://bucket/path", "main")
    assert_type(archive.head, int)
    assert_type(archive.find(ObjectId()), tuple[str, Record[Any]] | None)
    assert_type(archive.verify(), Found)
    for record in archive.read(start=1, end=datetime(2025, 1, 1, tzinfo=UTC), types=["order.placed"], key="42"):
        assert_type(record, Record[Any])
    assert_type(len(archive.expire(timedelta(days=90))), int)


def metrics(client: MongoClient[dict[str, Any]]) -> None:
    orders = Outbox(client.shop)
    CollectorRegistry().register(OutboxCollector(orders, orders))
    CollectorRegistry().register(RelayCollector(Relay(orders, KafkaSink("localhost:9092"))))
    instrument(OutboxCollector(orders), get_meter("a service"))
