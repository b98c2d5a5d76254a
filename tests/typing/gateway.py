"""The gateway and its client as their users see them: see api.py."""

from __future__ import annotations

import threading
from typing import Any, assert_type

from bson import ObjectId
from pydantic import BaseModel
from reactivex import Observable

from outbox import Outbox, Record, message, remote, remote_async
from outbox.archive import Archive
from outbox.gateway import FileTokens, Limits, StoredTokens, application


@message("order.placed", key="order_id")
class OrderPlaced(BaseModel):
    order_id: str


def gateway(orders: Outbox) -> None:
    application(orders)
    application(orders, tokens="/etc/tokens", limits=Limits(connections=10), archive=Archive("/srv/archive"))
    application(orders, tokens=StoredTokens(orders.collections))
    application(orders, tokens=FileTokens("/etc/tokens"))


def reached(placed: OrderPlaced) -> None:
    with remote("https://example.org", token="web.secret", messages=[OrderPlaced]) as orders:
        assert_type(orders.put(placed, headers={"a": "b"}), ObjectId)
        for record in orders.read(7, types=["order.placed"]):
            assert_type(record, Record[Any])
        billing = orders.consumer("billing", types=[OrderPlaced], start="latest", on_event=print)
        billing.run(lambda record: assert_type(record, Record[OrderPlaced]), stop=threading.Event())
        assert_type(billing.position(), int | None)
        assert_type(billing.forget(), bool)
        assert_type(orders.observe(), Observable[Record[Any]])


async def reached_async(placed: OrderPlaced) -> None:
    async with remote_async("https://example.org") as orders:
        assert_type(await orders.put(placed), ObjectId)
        async for record in orders.observe():
            assert_type(record, Record[Any])

        async def handle(record: Record[Any]) -> None: ...

        await orders.consumer("billing").run(handle)
