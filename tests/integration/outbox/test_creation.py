"""create() makes the collections, and widens them under live writers."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from pymongo.database import Database
from pymongo.errors import AutoReconnect

from outbox import IncompatibleOutbox, Outbox, creation
from outbox.log import batch
from outbox.log.creation import least_capacity
from outbox.mongo.lease import Lease
from outbox.staging import schema_lock
from tests.actors.command_listener import watched
from tests.actors.order_service import MESSAGES, OrderPlaced, new_outbox, placed, totals
from tests.waiting import wait_until

pytestmark = pytest.mark.oldest_server

Document = dict[str, Any]

MIB = 1 << 20


def _options(database: Database[Document], name: str) -> Document:
    [info] = database.list_collections(filter={"name": name})
    return dict(info["options"])


def test_it_makes_staging_the_log_cursors_leases_dead_letters_and_schemas(database: Database[Document]) -> None:
    new_outbox(database, name="orders", capacity="8 MiB")

    assert set(database.list_collection_names()) == {
        "orders", "orders.staging", "orders.cursors", "orders.leases", "orders.dead", "orders.schemas"
    }  # fmt: skip
    assert _options(database, "orders")["capped"]
    assert _options(database, "orders")["size"] == 8 * MIB
    assert _options(database, "orders.staging")["validationAction"] == "error"
    assert "at_1" in database["orders.staging"].index_information()


def test_the_log_begins_with_a_genesis_document(database: Database[Document]) -> None:
    new_outbox(database)

    assert database.outbox.find_one() == batch.GENESIS


def test_a_second_create_changes_nothing(mongo_uri: str, database: Database[Document]) -> None:
    """Goes red when `_create_staging` changes the validator without comparing: an identical collMod is not free."""
    with watched(mongo_uri, database) as (watched_database, commands):
        new_outbox(watched_database, capacity="8 MiB")
        new_outbox(watched_database)
        commands.clear()
        new_outbox(watched_database, capacity="8 MiB")
        new_outbox(watched_database)

        assert not {"collMod", "create", "drop", "insert", "delete"} & set(commands.names())


def test_a_create_that_names_fewer_types_removes_none(mongo_uri: str, database: Database[Document]) -> None:
    new_outbox(database)
    with watched(mongo_uri, database) as (watched_database, commands):
        Outbox(watched_database, messages=[OrderPlaced]).create()

        assert "collMod" not in commands.names()
    assert set(new_outbox(database).types()) == {"order.placed", "order.cancelled", "stock.counted", "tree.grown"}


@pytest.mark.usefixtures("growing_caps")
def test_it_grows_the_cap_when_asked_to(database: Database[Document]) -> None:
    new_outbox(database, capacity="8 MiB")
    new_outbox(database, capacity="16 MiB")

    assert new_outbox(database).status().capacity == 16 * MIB


@pytest.mark.usefixtures("growing_caps")
def test_an_open_transaction_holds_up_no_sequencer_while_the_cap_is_to_grow(
    database: Database[Document], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Goes red when `grow_log` waits for it longer than 0.2 s at a time: what is to be appended waits behind it."""
    monkeypatch.setattr(schema_lock, "PATIENCE_SECONDS", 4.0)
    orders = new_outbox(database, capacity="8 MiB")

    def put() -> None:
        head = orders.log.head()
        orders.put(placed(1), standalone=True)
        wait_until(lambda: orders.log.head() > head, 30, "the message in the log")

    with orders.running(), database.client.start_session() as session:
        put()
        with session.start_transaction():
            database.outbox.find_one(session=session)
            with ThreadPoolExecutor(1) as pool:
                deploy = pool.submit(new_outbox, database, capacity="16 MiB")
                slowest = 0.0
                while not deploy.done():
                    started = time.monotonic()
                    put()
                    slowest = max(slowest, time.monotonic() - started)
                with pytest.raises(IncompatibleOutbox, match="stay open on .* hold up its new cap"):
                    deploy.result()

    assert slowest < 2
    assert new_outbox(database, capacity="16 MiB").status().capacity == 16 * MIB


@pytest.mark.usefixtures("growing_caps")
def test_cap_and_message_limit_grow_together(database: Database[Document]) -> None:
    """Goes red when `_grow` measures the new limit against the old cap."""
    new_outbox(database, capacity=least_capacity(1000), max_message_bytes=1000)
    larger = new_outbox(database, capacity="16 MiB", max_message_bytes=3 * MIB)
    larger.put(placed(1, note="x" * 2 * MIB), standalone=True)

    assert larger.sequence() == 1


def test_a_message_limit_is_never_lowered_for_others(database: Database[Document]) -> None:
    orders = new_outbox(database)
    new_outbox(database, max_message_bytes=1000)
    orders.put(placed(1, note="x" * 2000), standalone=True)

    assert orders.sequence() == 1


def test_creates_at_once_with_different_types_lose_none(database: Database[Document]) -> None:
    """Goes red when `create` does without the schema lease."""
    for name in ("a", "b", "c", "d", "e"):
        together = threading.Barrier(len(MESSAGES))

        def deploy(cls: type[Any], name: str = name, together: threading.Barrier = together) -> None:
            outbox = Outbox(database, name, messages=[cls])
            together.wait(30)
            outbox.create()

        with ThreadPoolExecutor(len(MESSAGES)) as pool:
            list(pool.map(deploy, MESSAGES))

        assert len(Outbox(database, name).types()) == len(MESSAGES)


def test_an_outbox_made_anew_keeps_its_fence_growing(database: Database[Document]) -> None:
    """Goes red when the new log's validator begins at fence 0: a sequencer of the old log could append to it."""
    orders = new_outbox(database)
    orders.put(placed(1), standalone=True)
    orders.sequence()
    before = orders.status().fence
    orders.drop()
    anew = new_outbox(database)

    assert anew.status().fence > before
    assert anew.log.describe().fence > before
    anew.put(placed(2), standalone=True)
    assert anew.sequence() == 1
    assert totals(anew.read()) == [2]


def test_drop_is_refused_while_another_process_sequences(database: Database[Document]) -> None:
    orders, other = new_outbox(database), Outbox(database, messages=MESSAGES)
    other.observe().subscribe()
    try:
        wait_until(lambda: orders.status().holder, why="the other process to sequence")
        with pytest.raises(IncompatibleOutbox, match="another process sequences"):
            orders.drop()
    finally:
        other.close()

    orders.drop()
    assert database.list_collection_names() == ["outbox.leases"]


@pytest.mark.parametrize("act", [Outbox.sequence, Outbox.drop])
def test_a_process_that_was_killed_while_it_sequenced_is_waited_for(
    database: Database[Document], act: Callable[[Outbox], object]
) -> None:
    """Goes red when what is done once tries once: a job that numbers would do nothing, for ever."""
    orders = new_outbox(database)
    orders.put(placed(1), standalone=True)
    killed = Lease(orders.collections.leases, "sequencer", owner="host:1:killed", seconds=0.3)
    assert killed.acquire()

    act(orders)

    assert orders.collections.staging.find_one() is None


def test_dropping_and_creating_again_begins_at_1(database: Database[Document]) -> None:
    with new_outbox(database) as orders:
        orders.put([placed(1), placed(2)], standalone=True)
        orders.sequence()
        orders.drop()
        orders.create()
        orders.put(placed(3), standalone=True)
        orders.sequence()

        assert [(each.seq, each.data["total"]) for each in orders.read() if each.data] == [(1, 3)]


def test_a_create_that_died_half_way_is_finished_by_the_next(
    database: Database[Document], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(creation, "create_staging", _dies)
        with pytest.raises(AutoReconnect):
            new_outbox(database)
    orders = new_outbox(database)
    orders.put(placed(1), standalone=True)

    assert orders.sequence() == 1


def _dies(*_: Any) -> None:
    raise AutoReconnect("connection closed")
