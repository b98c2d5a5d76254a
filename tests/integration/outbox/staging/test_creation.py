"""create() widens staging's validator while services are putting."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from bson import ObjectId
from pymongo.database import Database

from outbox import IncompatibleOutbox, Outbox
from outbox.staging import schema_lock
from tests.actors.order_service import OrderCancelled, OrderPlaced, StockCounted, new_outbox, placed
from tests.waiting import wait_until

pytestmark = pytest.mark.oldest_server

Document = dict[str, Any]


def test_types_are_added_while_writers_write(database: Database[Document]) -> None:
    orders = Outbox(database, messages=[OrderPlaced])
    orders.create()
    stop = threading.Event()
    put: list[ObjectId] = []

    def write() -> None:
        while not stop.is_set():
            put.append(orders.put(placed(len(put)), standalone=True))

    with ThreadPoolExecutor(1) as pool:
        writer = pool.submit(write)
        try:
            wait_until(lambda: len(put) > 10)
            new_outbox(database).put(StockCounted(count=3), standalone=True)
            seen = len(put)
            wait_until(lambda: len(put) > seen + 10)
        finally:
            stop.set()
        writer.result()

    assert orders.sequence() == len(put) + 1


def test_an_open_transaction_holds_up_nobody_s_puts(
    database: Database[Document], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Goes red when `_change_validator` waits longer than 0.2 s at a time: every other put waits behind it."""
    monkeypatch.setattr(schema_lock, "PATIENCE_SECONDS", 4.0)
    orders = Outbox(database, messages=[OrderPlaced])
    orders.create()
    with database.client.start_session() as session, session.start_transaction():
        orders.put(placed(0), session=session)
        with ThreadPoolExecutor(1) as pool:
            deploy = pool.submit(new_outbox, database)
            slowest = 0.0
            while not deploy.done():
                started = time.monotonic()
                orders.put(placed(1), standalone=True)
                slowest = max(slowest, time.monotonic() - started)
            with pytest.raises(IncompatibleOutbox, match="hold up its new validator"):
                deploy.result()
        orders.put(placed(2), session=session)

    assert slowest < 2
    new_outbox(database).put(OrderCancelled(order_id="42"), standalone=True)


def test_create_gets_through_when_the_open_transaction_ends(database: Database[Document]) -> None:
    orders = Outbox(database, messages=[OrderPlaced])
    orders.create()
    with ThreadPoolExecutor(1) as pool, database.client.start_session() as session:
        with session.start_transaction():
            orders.put(placed(0), session=session)
            deploy = pool.submit(new_outbox, database)
            with pytest.raises(TimeoutError):
                deploy.result(0.5)
        assert "stock.counted" in deploy.result(10).types()
