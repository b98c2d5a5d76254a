"""What has its time behind it is counted, and then removed; what is needed stays."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from bson import Int64, ObjectId
from pymongo.database import Database

from outbox import Inbox, Outbox
from outbox.archive import Archive
from outbox.dead_letters.admin import DeadLetterAdmin, Selection
from outbox.discarding.discard import Discard
from outbox.mongo.collections import Collections
from relay.testing import MemorySink
from tests.actors.archiving import put as put_orders
from tests.actors.archiving import run_once
from tests.actors.order_service import new_outbox
from tests.actors.price_service import new_prices, put, refuse, relay, states
from tests.actors.relay_thread import run_once as relay_once

OLD = datetime.now(UTC) - timedelta(days=100)
AGE = timedelta(days=90)


@pytest.fixture
def prices(database: Database[Any]) -> Iterator[Outbox]:
    with new_prices(database, sequence=False) as prices:
        yield prices


def counted(collections: Collections, age: timedelta = AGE, **options: Any) -> dict[str, int]:
    return {kind.name: kind.count() for kind in Discard(collections, age, **options).kinds if kind.count()}


def removed(collections: Collections, age: timedelta = AGE, **options: Any) -> dict[str, int]:
    found = {kind.name: kind.remove() for kind in Discard(collections, age, **options).kinds}
    return {name: count for name, count in found.items() if count}


def test_of_an_outbox_that_is_in_use_nothing_is_old(orders: Outbox) -> None:
    put_orders(orders, 3)

    assert removed(orders.collections) == {}


def test_entries_of_the_inbox_go_by_its_own_time(orders: Outbox, database: Database[Any]) -> None:
    Inbox(database, keep=timedelta(days=300)).create()
    database.inbox.insert_many([{"at": OLD}, {"at": OLD - timedelta(days=300)}, {"at": None}])

    assert counted(orders.collections) == removed(orders.collections) == {"inbox entries": 1}
    assert database.inbox.count_documents({}) == 2


def test_a_collection_that_is_no_inbox_is_left_alone(orders: Outbox, database: Database[Any]) -> None:
    database.inbox.insert_one({"at": OLD})

    assert removed(orders.collections) == {}


def test_what_was_imported_long_ago_is_forgotten(orders: Outbox) -> None:
    imported = orders.collections.imported
    imported.insert_many([{"_id": ObjectId(), "at": OLD}, {"_id": ObjectId(), "at": datetime.now(UTC)}])

    assert counted(orders.collections) == removed(orders.collections) == {"imported messages": 1}
    assert imported.count_documents({}) == 1


def test_what_was_done_by_hand_long_ago_is_forgotten(orders: Outbox) -> None:
    acts = orders.collections.acts
    acts.insert_many([{"when": OLD}, {"when": datetime.now(UTC)}])

    assert counted(orders.collections) == removed(orders.collections) == {"acts": 1}
    assert acts.count_documents({}) == 1


def age_letters(prices: Outbox) -> None:
    prices.collections.dead.update_many({}, {"$set": {"first": OLD, "last": OLD}})


def test_old_dead_letters_go_but_not_where_others_wait_behind_them(prices: Outbox) -> None:
    sink = MemorySink()
    refuse(sink, 1, 2)
    put(prices, "a", "b", "b")
    relay_once(relay(prices, sink))
    assert states(prices) == {1: "dead", 2: "dead", 3: "parked"}
    assert removed(prices.collections) == {}
    age_letters(prices)

    assert counted(prices.collections) == removed(prices.collections) == {"dead letters": 1}
    assert states(prices) == {2: "dead", 3: "parked"}


def test_a_letter_that_is_to_be_sent_again_stays(prices: Outbox) -> None:
    sink = MemorySink()
    refuse(sink, 1)
    put(prices, "a")
    relay_once(relay(prices, sink))
    DeadLetterAdmin(prices.collections, "relay:kafka").requeue(Selection())
    age_letters(prices)

    assert removed(prices.collections) == {}


def lease(id: str, owner: str | None = None, **fields: Any) -> dict[str, Any]:
    return {"_id": id, "owner": owner, "beat": Int64(1), "fence": Int64(1), "renewed": OLD, **fields}


def test_leases_that_nobody_needs_go_and_no_others(orders: Outbox) -> None:
    orders.collections.cursors.insert_one({"_id": "relay:live", "seq": Int64(0), "fence": Int64(1)})
    leases = orders.collections.leases
    leases.delete_many({"_id": {"$in": ["sequencer", "schema"]}})
    leases.insert_many(
        [
            lease("consumer:gone"),
            lease("relay:gone/2"),
            lease("replay:kafka", replay={"done": True}),
            lease("replay:other", replay={"done": False}),
            lease("relay:live"),
            lease("relay:live/2"),
            lease("consumer:held", "host:1:abc"),
            lease("consumer:wanted", wanted=2),
            lease("consumer:new", renewed=datetime.now(UTC)),
            lease("sequencer"),
            lease("schema"),
        ]
    )

    assert counted(orders.collections) == removed(orders.collections) == {"idle leases": 3}
    assert {"consumer:gone", "relay:gone/2", "replay:kafka"}.isdisjoint(each["_id"] for each in leases.find())
    assert leases.count_documents({}) == 8


def test_chunks_of_an_archive_go_but_for_the_newest(database: Database[Any], tmp_path: Path) -> None:
    with new_outbox(database) as orders:
        archive = Archive(tmp_path)
        for _ in range(2):
            put_orders(orders, 2)
            run_once(orders, archive)
        age = timedelta(seconds=-60)

        assert counted(orders.collections, age, archive=archive)["archive chunks"] == 1
        assert removed(orders.collections, age, archive=archive)["archive chunks"] == 1
        assert [entry.first for entry in archive.chunks()] == [3]
