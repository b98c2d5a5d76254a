"""How far a replay is, in its lease: only who holds that writes it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from bson import ObjectId

from outbox import Outbox
from outbox.errors import LeaseLost
from outbox.mongo.lease import Lease
from relay.replay.place import Place, Places

PLACE = Place({"first": "1"}, (0, None, None), 1, 9)
REACHED = 5, datetime(2025, 1, 1, tzinfo=UTC), ObjectId()


def places(orders: Outbox) -> tuple[Places, Lease]:
    lease = Lease(orders.collections.leases, "replay:kafka")
    assert lease.acquire()
    return Places(orders.collections.leases, lease), lease


def test_it_is_found_again_as_it_was_saved(orders: Outbox) -> None:
    saved, lease = places(orders)
    assert saved.load() is None
    saved.begin(PLACE)
    saved.save(REACHED)
    lease.release()

    found, _ = places(orders)

    assert found.load() == Place(PLACE.asked, REACHED, 1, 9)
    found.done()
    assert found.load() == Place(PLACE.asked, REACHED, 1, 9, is_done=True)


def test_who_has_lost_the_lease_moves_nothing(orders: Outbox) -> None:
    late, lease = places(orders)
    late.begin(PLACE)
    lease._leases.update_one({"_id": "replay:kafka"}, {"$set": {"owner": None}})
    now, _ = places(orders)

    with pytest.raises(LeaseLost, match="'replay:kafka' was not saved"):
        late.save(REACHED)
    assert now.load() == PLACE
