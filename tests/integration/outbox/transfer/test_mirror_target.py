"""What a mirror does when its destination takes no more, takes more by now, or is another one."""

from __future__ import annotations

from typing import Any

import pytest
from pymongo.database import Database

from outbox import CursorMismatch, Outbox
from outbox.transfer import mirror_target
from tests.actors.archiving import put
from tests.actors.mirrors import running
from tests.actors.order_service import StockCounted, placed, warnings_of
from tests.actors.transferring import another, messages
from tests.waiting import wait_until


def test_it_waits_while_too_many_wait_there_for_their_numbers(
    orders: Outbox, copy: Outbox, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(mirror_target, "MOST_STAGED", 2)
    monkeypatch.setattr(mirror_target, "_LOOK_SECONDS", 0.05)
    copy.put([StockCounted(count=1), StockCounted(count=2)], standalone=True)
    put(orders, 3)
    with running(orders, copy):
        wait_until(lambda: any("the mirror waits" in said for said in warnings_of(caplog)), 30, "it to wait")
        assert copy.collections.staging.count_documents({}) == 2
        copy.sequence()
        wait_until(lambda: copy.sequence() == 3, 30, "it to go on")

    assert any(said.endswith("it goes on") for said in warnings_of(caplog))


def test_a_type_that_is_created_while_it_runs_is_taken(orders: Outbox, database: Database[Any]) -> None:
    few = Outbox(database, "few", messages=[StockCounted], sequence=False)
    few.create()
    orders.put(StockCounted(count=1), standalone=True)
    orders.sequence()
    with running(orders, few):
        wait_until(lambda: few.sequence() == 1, 30, "the first")
        with another(database, "few"):
            orders.put(placed(2), standalone=True)
            orders.sequence()
            wait_until(lambda: few.sequence() == 1, 30, "the second")

    assert messages(few) == messages(orders)


def test_a_destination_that_is_made_anew_while_it_runs_ends_it(orders: Outbox, copy: Outbox) -> None:
    put(orders, 1)
    with running(orders, copy) as failures:
        wait_until(lambda: copy.sequence() == 1, 30, "the first")
        copy.drop()
        copy.create()
        put(orders, 1)
        wait_until(lambda: bool(failures), 60, "it to end")
        assert isinstance(failures.pop(), CursorMismatch)
