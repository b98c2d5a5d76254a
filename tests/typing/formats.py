"""The formats of a relay's records as their users see them: checked by mypy and pyright, never run."""

from __future__ import annotations

from outbox import Outbox
from relay import HeaderNames, KeyFrom, RecordFormat, Relay, Sink, Topics


def relay_in_another_format(orders: Outbox, sink: Sink) -> None:
    format = RecordFormat(
        "cloudevents",
        {"order.placed": "bson"},
        key=KeyFrom("data.customer"),
        headers=HeaderNames({"seq": ""}, prefix="x-"),
        timestamp="created",
    )
    Relay(orders, sink, topics=Topics("{type}", {"order.placed": "placed"}), format=format)
