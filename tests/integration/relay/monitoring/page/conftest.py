"""Outboxes with what the page is to show."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from bson import Int64, ObjectId

from outbox import Outbox
from tests.actors.order_service import DAY, foreign, placed

Letters = Callable[..., list[ObjectId]]


def numbered(orders: Outbox, count: int) -> None:
    orders.put([placed(n, order_id=str(n)) for n in range(count)], standalone=True)
    while orders.sequence():
        pass


@pytest.fixture
def put_aside(orders: Outbox) -> Letters:
    """Puts so many messages aside for a reader, and returns their ids."""

    def put(
        count: int, reader: str = "relay:kafka", key: str = "42", state: str = "dead", **more: Any
    ) -> list[ObjectId]:
        ids = [ObjectId() for _ in range(count)]
        orders.collections.dead.insert_many(
            {
                **foreign(key=key), "_id": {"reader": reader, "id": id} if reader.startswith("consumer:") else id,
                "reader": reader, "log": "shop.outbox/00000000", "seq": Int64(number), "hash": Int64(0), "attempts": 1,
                "error": {"code": "refused", "reason": "too large"}, "first": DAY, "last": DAY, "state": state, **more,
            }
            for number, id in enumerate(ids, start=1)
        )  # fmt: skip
        return ids

    return put
