"""A consumer is killed (SIGKILL) inside a transaction, which the server keeps for a minute: nobody waits for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pymongo.client_session import ClientSession
from pymongo.database import Database

from outbox import Consumer, Outbox, Record
from outbox.mongo.process_identity import this_process
from outbox.shares.layout import request_shares
from tests.acceptance.conftest import Start
from tests.actors.order_service import new_outbox, placed
from tests.actors.running import put, running
from tests.waiting import wait_until

PATIENCE_SECONDS = 30.0
"""For a loaded machine: it takes 1 s. The server would keep the transaction for 60 s."""

pytestmark = pytest.mark.skipif(this_process() is None, reason="only Linux tells which process it is")

INSIDE = pytest.mark.parametrize("inside", ["handling", "committing"])


@pytest.fixture
def orders(database: Database[dict[str, Any]]) -> Outbox:
    orders = new_outbox(database)
    database.create_collection("effects")
    put(orders, *(placed(total) for total in range(1, 7)))
    return orders


def killed(orders: Outbox, mongo_uri: str, start: Start, inside: str) -> None:
    process = start("handle_in_transaction", mongo_uri, orders.collections.database.name, f"--{inside}", 4)
    assert process.wait(PATIENCE_SECONDS) == -9, process.said()


def effect(orders: Outbox) -> Callable[[Record[Any], ClientSession], None]:
    def handle(record: Record[Any], session: ClientSession) -> None:
        orders.collections.database.effects.insert_one({"_id": record.seq}, session=session)

    return handle


def effects(orders: Outbox) -> list[int]:
    return [each["_id"] for each in orders.collections.database.effects.find(sort=[("_id", 1)])]


@INSIDE
def test_another_process_goes_on_at_once_and_each_effect_is_there_once(
    orders: Outbox, mongo_uri: str, start: Start, inside: str
) -> None:
    killed(orders, mongo_uri, start, inside)
    billing = orders.consumer("billing")

    with running(billing, effect(orders), batch=2):
        wait_until(lambda: billing.position() == 6, PATIENCE_SECONDS, "the position")

    assert effects(orders) == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("change", [lambda billing: billing.reset(1), lambda billing: billing.forget()])
def test_its_cursor_can_be_changed_at_once(
    orders: Outbox, mongo_uri: str, start: Start, change: Callable[[Consumer[Any]], object]
) -> None:
    killed(orders, mongo_uri, start, "committing")
    billing = orders.consumer("billing")

    change(billing)

    assert billing.position() in (1, None)


def test_its_keys_can_be_divided_into_shares_at_once(orders: Outbox, mongo_uri: str, start: Start) -> None:
    killed(orders, mongo_uri, start, "committing")
    billing = orders.consumer("billing")
    assert request_shares(orders.collections, billing.id, 2)

    with running(billing, effect(orders), batch=2):
        wait_until(lambda: billing.position() == 6, PATIENCE_SECONDS, "the position")

    assert effects(orders) == [1, 2, 3, 4, 5, 6]
