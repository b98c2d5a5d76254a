"""A fence never goes back, whatever becomes of the document of the lease."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from bson import Int64
from pymongo.database import Database

from outbox import LeaseLost, Outbox
from outbox.mongo.lease import Lease
from outbox.sequencer.sequencer import Sequencer
from tests.actors.order_service import new_outbox, placed, totals

Document = dict[str, Any]


@pytest.fixture
def orders(database: Database[Document]) -> Outbox:
    """An outbox whose sequencer's role has been taken 101 times."""
    orders = new_outbox(database)
    orders.collections.leases.insert_one(
        {"_id": "sequencer", "owner": None, "beat": Int64(0), "fence": Int64(100), "renewed": None}
    )
    orders.put(placed(1), standalone=True)
    orders.sequence()
    return orders


def drop(orders: Outbox) -> None:
    orders.collections.leases.drop()


def delete_one(orders: Outbox) -> None:
    orders.collections.leases.delete_one({"_id": "sequencer"})


def restore_older(orders: Outbox) -> None:
    orders.collections.leases.update_one({"_id": "sequencer"}, {"$set": {"fence": Int64(3), "owner": None}})


LOSSES = pytest.mark.parametrize("lose", [drop, delete_one, restore_older])


@LOSSES
def test_the_sequencer_s_goes_on_from_what_the_log_says(orders: Outbox, lose: Callable[[Outbox], None]) -> None:
    lose(orders)
    sequencer = Sequencer(orders.collections)

    assert sequencer.take_over()
    assert sequencer.fence == 102
    assert orders.log.describe().fence == 102
    sequencer.release()


@LOSSES
def test_a_sequencer_at_work_takes_over_again_above_its_own_fence(
    orders: Outbox, lose: Callable[[Outbox], None]
) -> None:
    lease = Lease(orders.collections.leases, "sequencer")
    sequencer = Sequencer(orders.collections, lease)
    assert sequencer.take_over()
    lose(orders)
    orders.put(placed(2), standalone=True)
    with pytest.raises(LeaseLost):
        lease.renew()

    assert sequencer.take_over()
    sequencer.sweep()
    assert sequencer.fence == 103
    assert totals(list(orders.read())) == [1, 2]
    sequencer.release()


def test_the_newest_batch_knows_it_when_the_validator_was_taken_away(orders: Outbox) -> None:
    drop(orders)
    orders.collections.database.command("collMod", "outbox", validator={})
    sequencer = Sequencer(orders.collections)

    assert sequencer.take_over()
    assert sequencer.fence == 102
    sequencer.release()


@pytest.mark.parametrize("role", ["relay:kafka", "relay:kafka/2", "consumer:billing"])
def test_that_of_a_reader_goes_on_from_what_its_cursor_says(orders: Outbox, role: str) -> None:
    orders.collections.cursors.insert_one({"_id": role, "seq": Int64(0), "fence": Int64(40)})
    lease = Lease(orders.collections.leases, role)

    assert lease.acquire()
    assert lease.fence == 41
