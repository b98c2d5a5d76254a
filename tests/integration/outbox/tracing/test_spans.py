"""Spans from put to handler and to Kafka."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from opentelemetry import baggage, context
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode
from pymongo import AsyncMongoClient
from pymongo.database import Database

from outbox import AsyncOutbox, Outbox, Record
from outbox.errors import Verdict
from outbox.messages.limits import HEADERS
from outbox.tracing import spans
from relay import Relay, Topics
from relay.testing import MemorySink
from tests.actors.order_service import MESSAGES, placed
from tests.actors.relay_thread import Relaying, run_once
from tests.waiting import wait_until


class Traced:
    """What the process has traced so far."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        provider = TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.tracer = provider.get_tracer("test")

    def named(self, name: str) -> list[ReadableSpan]:
        return [span for span in self._exporter.get_finished_spans() if span.name == name]

    def one(self, name: str) -> ReadableSpan:
        (span,) = self.named(name)
        return span


@pytest.fixture
def traced(monkeypatch: pytest.MonkeyPatch) -> Traced:
    traced = Traced()
    monkeypatch.setattr(spans, "TRACER", traced.tracer)
    return traced


def context_of(span: ReadableSpan) -> tuple[int, int]:
    found = span.get_span_context()
    assert found is not None
    return found.trace_id, found.span_id


def linked(span: ReadableSpan) -> list[tuple[int, int]]:
    return [(link.context.trace_id, link.context.span_id) for link in span.links]


def handle_one(orders: Outbox, handle: Any) -> None:
    stop = threading.Event()

    def handle_and_stop(record: Record[Any]) -> None:
        stop.set()
        handle(record)

    orders.sequence()
    orders.consumer("billing").run(handle_and_stop, stop=stop)


def test_a_put_is_a_span_of_the_trace_it_is_in_and_its_headers_say_so(orders: Outbox, traced: Traced) -> None:
    where = orders.collections.log.full_name
    with traced.tracer.start_as_current_span("request") as request:
        id = orders.put(placed(1), standalone=True, headers={"tenant": "acme"})
    orders.sequence()

    span, (record,) = traced.one(f"send {where}"), orders.read()
    trace_id, span_id = context_of(span)
    assert span.kind is SpanKind.PRODUCER
    assert trace_id == request.get_span_context().trace_id
    assert record.headers["tenant"] == "acme"
    assert record.headers["traceparent"].startswith(f"00-{trace_id:032x}-{span_id:016x}-")
    assert span.attributes is not None
    assert (span.attributes["messaging.destination.name"], record.id) == (where, id)


def test_baggage_goes_along_and_a_header_given_wins(orders: Outbox, traced: Traced) -> None:
    token = context.attach(baggage.set_baggage("tenant", "acme"))
    try:
        orders.put(placed(1), standalone=True, headers={"traceparent": "mine"})
    finally:
        context.detach(token)
    orders.sequence()

    (record,) = orders.read()

    assert record.headers == {"baggage": "tenant=acme", "traceparent": "mine"}


def test_a_message_that_has_all_its_headers_goes_without_its_trace(orders: Outbox, traced: Traced) -> None:
    headers = {f"h{number}": "" for number in range(HEADERS)}

    orders.put(placed(1), standalone=True, headers=headers)

    orders.sequence()
    (record,) = orders.read()
    assert record.headers == headers


def test_a_handler_s_span_links_to_the_put_and_has_its_baggage(orders: Outbox, traced: Traced) -> None:
    token = context.attach(baggage.set_baggage("tenant", "acme"))
    orders.put(placed(1), standalone=True)
    context.detach(token)
    found: list[object] = []

    handle_one(orders, lambda _: found.append(baggage.get_baggage("tenant")))

    where = orders.collections.log.full_name
    span = traced.one(f"process {where}")
    assert linked(span) == [context_of(traced.one(f"send {where}"))]
    assert span.kind is SpanKind.CONSUMER
    assert span.parent is None
    assert found == ["acme"]


def test_a_handler_that_fails_is_a_span_with_an_error(orders: Outbox, traced: Traced) -> None:
    orders.put(placed(1), standalone=True)

    def fail(_: Record[Any]) -> None:
        raise ValueError("no")

    handle_one(orders, fail)

    assert traced.one(f"process {orders.collections.log.full_name}").status.status_code is StatusCode.ERROR


def test_a_delivery_links_to_the_puts_and_the_header_is_unchanged(orders: Outbox, traced: Traced) -> None:
    with traced.tracer.start_as_current_span("request"):
        orders.put([placed(1), placed(2)], standalone=True)
    orders.sequence()
    sink = MemorySink()

    run_once(Relay(orders, sink, topics=Topics("orders")))

    put = context_of(traced.one(f"send {orders.collections.log.full_name}"))
    assert linked(traced.one("send orders")) == [put, put]
    for record in sink.records:
        assert dict(record.headers)["traceparent"].decode().startswith(f"00-{put[0]:032x}-{put[1]:016x}-")


def test_a_delivery_that_is_given_up_is_a_span_with_an_error(orders: Outbox, traced: Traced) -> None:
    orders.put(placed(1), standalone=True)
    orders.sequence()
    sink = MemorySink()
    sink.refused = {1: Verdict.RETRY}

    with Relaying(Relay(orders, sink, topics=Topics("orders"))):
        wait_until(lambda: traced.named("send orders"), 30, "a delivery to be given up")

    assert traced.named("send orders")[0].status.status_code is StatusCode.ERROR


def test_an_asynchronous_put_and_handler_are_spans_too(
    mongo_uri: str, database: Database[dict[str, Any]], traced: Traced
) -> None:
    async def run() -> None:
        async with (
            AsyncMongoClient[dict[str, Any]](mongo_uri) as client,
            AsyncOutbox(client[database.name], messages=MESSAGES) as orders,
        ):
            await orders.create()
            await orders.put(placed(1), standalone=True)
            billing = orders.consumer("billing")

            async def handle(_: Record[Any]) -> None:
                await asyncio.sleep(0)
                billing.stop()

            await billing.run(handle)

    asyncio.run(run())

    where = f"{database.name}.outbox"
    assert linked(traced.one(f"process {where}")) == [context_of(traced.one(f"send {where}"))]
