"""The formats of a relay's records as their users see them: checked by mypy and pyright, never run."""

from __future__ import annotations

from outbox import Outbox
from relay import HeaderNames, KeyFrom, RecordFormat, Relay, SchemaRegistry, Sink, Topics


def relay_in_another_format(orders: Outbox, sink: Sink) -> None:
    format = RecordFormat(
        "cloudevents",
        {"order.placed": "bson"},
        key=KeyFrom("data.customer"),
        headers=HeaderNames({"seq": ""}, prefix="x-"),
        timestamp="created",
        partition=KeyFrom("header.tenant"),
    )
    Relay(orders, sink, topics=Topics("{type}", {"order.placed": "placed"}), format=format)


def relay_by_registered_schemas(orders: Outbox, sink: Sink) -> None:
    registry = SchemaRegistry({"url": "http://localhost:8081"}, subject="{topic}-value")
    Relay(orders, sink, format=RecordFormat("json", {"order.placed": "avro"}, registry=registry))
