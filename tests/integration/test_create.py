"""create() makes the collections, widens them under live writers, and refuses what could lose messages."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from bson import Int64, ObjectId
from pymongo import MongoClient
from pymongo.database import Database
from pymongo.errors import AutoReconnect

from outbox import IncompatibleOutbox, InvalidName, Outbox, UnsupportedServer, batch, creation
from outbox.creation import least_capacity
from tests.commands import watched
from tests.orders import MESSAGES, OrderCancelled, OrderPlaced, StockCounted, new_outbox, placed, totals
from tests.waiting import wait_until

Document = dict[str, Any]

MIB = 1 << 20


def _options(database: Database[Document], name: str) -> Document:
    [info] = database.list_collections(filter={"name": name})
    return dict(info["options"])


def test_it_makes_staging_the_log_cursors_leases_and_dead_letters(database: Database[Document]) -> None:
    new_outbox(database, name="orders", capacity="8 MiB")

    assert set(database.list_collection_names()) == {
        "orders", "orders.staging", "orders.cursors", "orders.leases", "orders.dead"
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


def test_it_grows_the_cap_when_asked_to(database: Database[Document]) -> None:
    new_outbox(database, capacity="8 MiB")
    new_outbox(database, capacity="16 MiB")

    assert new_outbox(database).status().capacity == 16 * MIB


def test_cap_and_message_limit_grow_together(database: Database[Document]) -> None:
    """Goes red when `_grow` measures the new limit against the old cap."""
    new_outbox(database, capacity=least_capacity(1000), max_message_bytes=1000)
    larger = new_outbox(database, capacity="16 MiB", max_message_bytes=3 * MIB)
    larger.put(placed(1, note="x" * 2 * MIB))

    assert larger.sequence() == 1


def test_a_log_that_is_not_capped_is_refused(database: Database[Document]) -> None:
    database.create_collection("outbox")

    with pytest.raises(IncompatibleOutbox, match="is not capped"):
        new_outbox(database)


def test_a_view_of_that_name_is_refused(database: Database[Document]) -> None:
    database.create_collection("outbox.staging", viewOn="elsewhere", pipeline=[])

    with pytest.raises(IncompatibleOutbox, match="is a view"):
        new_outbox(database)


def test_a_smaller_cap_is_refused_and_nothing_changes(database: Database[Document]) -> None:
    new_outbox(database, capacity="8 MiB")

    with pytest.raises(IncompatibleOutbox, match="cannot shrink"):
        new_outbox(database, capacity="7 MiB")
    assert _options(database, "outbox")["size"] == 8 * MIB


def test_a_cap_under_four_maximal_batches_is_refused(database: Database[Document]) -> None:
    with pytest.raises(IncompatibleOutbox, match="raise the capacity"):
        new_outbox(database, capacity="4 MiB")
    with pytest.raises(IncompatibleOutbox, match="raise the capacity"):
        new_outbox(database, capacity="8 MiB", max_message_bytes=4 * MIB)
    assert database.list_collection_names() == []


def test_a_message_limit_that_the_live_cap_cannot_carry_is_refused(database: Database[Document]) -> None:
    new_outbox(database, capacity="8 MiB")

    with pytest.raises(IncompatibleOutbox, match="raise the capacity"):
        new_outbox(database, max_message_bytes=4 * MIB)


@pytest.mark.parametrize("size", [0, -1, batch.LARGEST_MESSAGE + 1])
def test_a_message_limit_that_no_document_can_have_is_refused(database: Database[Document], size: int) -> None:
    with pytest.raises(IncompatibleOutbox, match="max_message_bytes"):
        new_outbox(database, capacity="128 MiB", max_message_bytes=size)


def test_a_message_limit_is_never_lowered_for_others(database: Database[Document]) -> None:
    orders = new_outbox(database)
    new_outbox(database, max_message_bytes=1000)
    orders.put(placed(1, note="x" * 2000))

    assert orders.sequence() == 1


@pytest.mark.parametrize("name", ["", "orders.eu", "a" * 65, "1st", "a/b", "$a", "a\n", "größe", "..", "system"])
def test_a_bad_name_is_refused_before_the_server_is_asked(database: Database[Document], name: str) -> None:
    with pytest.raises(InvalidName, match="is not an outbox name"):
        Outbox(database, name)


def test_a_new_outbox_without_message_classes_is_refused(database: Database[Document]) -> None:
    with pytest.raises(IncompatibleOutbox, match="at least one message class"):
        Outbox(database).create()


def test_staging_documents_that_nobody_vouches_for_are_refused(database: Database[Document]) -> None:
    database["outbox.staging"].insert_one({"some": "document"})

    with pytest.raises(IncompatibleOutbox, match="nobody vouches"):
        new_outbox(database)


def test_a_standalone_server_is_refused(standalone: MongoClient[Document]) -> None:
    with pytest.raises(UnsupportedServer, match="replica set"):
        new_outbox(standalone.shop)


@pytest.mark.parametrize(
    ("answers", "why"),
    [
        ({"hello": {"msg": "isdbgrid"}, "buildInfo": {"version": "6.0.5"}}, "mongos"),
        ({"hello": {"setName": "rs0"}, "buildInfo": {"version": "4.4.29"}}, "5.0 or newer"),
    ],
)
def test_a_mongos_and_an_old_server_are_refused(
    database: Database[Document], monkeypatch: pytest.MonkeyPatch, answers: Document, why: str
) -> None:
    monkeypatch.setattr(Database, "command", lambda _, name, *__, **___: answers[name])

    with pytest.raises(UnsupportedServer, match=why):
        new_outbox(database)


def test_types_are_added_while_writers_write(database: Database[Document]) -> None:
    orders = Outbox(database, messages=[OrderPlaced])
    orders.create()
    stop = threading.Event()
    put: list[ObjectId] = []

    def write() -> None:
        while not stop.is_set():
            put.append(orders.put(placed(len(put))))

    with ThreadPoolExecutor(1) as pool:
        writer = pool.submit(write)
        wait_until(lambda: len(put) > 10)
        new_outbox(database).put(StockCounted(count=3))
        seen = len(put)
        wait_until(lambda: len(put) > seen + 10)
        stop.set()
        writer.result()

    assert orders.sequence() == len(put) + 1


def test_creates_at_once_with_different_types_lose_none(database: Database[Document]) -> None:
    """Goes red when `create` does without the schema lease."""
    for name in ("a", "b", "c", "d", "e"):
        together = threading.Barrier(len(MESSAGES))

        def deploy(cls: type[Any], name: str = name, together: threading.Barrier = together) -> None:
            outbox = Outbox(database, name, messages=[cls])
            together.wait(10)
            outbox.create()

        with ThreadPoolExecutor(len(MESSAGES)) as pool:
            list(pool.map(deploy, MESSAGES))

        assert len(Outbox(database, name).types()) == len(MESSAGES)


def test_an_open_transaction_holds_up_nobody_s_puts(
    database: Database[Document], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Goes red when `_change_validator` waits longer than 0.2 s at a time: every other put waits behind it."""
    monkeypatch.setattr(creation, "_PATIENCE_SECONDS", 1.5)
    orders = Outbox(database, messages=[OrderPlaced])
    orders.create()
    with database.client.start_session() as session, session.start_transaction():
        orders.put(placed(0), session=session)
        with ThreadPoolExecutor(1) as pool:
            deploy = pool.submit(new_outbox, database)
            slowest = 0.0
            while not deploy.done():
                started = time.monotonic()
                orders.put(placed(1))
                slowest = max(slowest, time.monotonic() - started)
            with pytest.raises(IncompatibleOutbox, match="hold up its new validator"):
                deploy.result()
        orders.put(placed(2), session=session)

    assert slowest < 0.7
    new_outbox(database).put(OrderCancelled(order_id="42"))


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


def test_a_log_that_was_emptied_under_its_readers_is_refused(database: Database[Document]) -> None:
    orders = new_outbox(database)
    database["outbox.cursors"].insert_one({"_id": "consumer:billing", "seq": Int64(7)})
    orders.put(placed(1))
    orders.sequence()
    database.command("convertToCapped", "outbox", size=8 * MIB)
    database.outbox.delete_many({})

    with pytest.raises(IncompatibleOutbox, match="emptied or replaced"):
        new_outbox(database)


def test_an_outbox_made_anew_keeps_its_fence_growing(database: Database[Document]) -> None:
    """Goes red when the new log's validator begins at fence 0: a sequencer of the old log could append to it."""
    orders = new_outbox(database)
    orders.put(placed(1))
    orders.sequence()
    before = orders.status().fence
    orders.drop()
    anew = new_outbox(database)

    assert anew.status().fence > before
    assert anew.log.describe().fence > before
    anew.put(placed(2))
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


def test_dropping_and_creating_again_begins_at_1(database: Database[Document]) -> None:
    with new_outbox(database) as orders:
        orders.put([placed(1), placed(2)])
        orders.sequence()
        orders.drop()
        orders.create()
        orders.put(placed(3))
        orders.sequence()

        assert [(each.seq, each.data["total"]) for each in orders.read() if each.data] == [(1, 3)]


def test_a_create_that_died_half_way_is_finished_by_the_next(
    database: Database[Document], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(creation, "_create_staging", _dies)
        with pytest.raises(AutoReconnect):
            new_outbox(database)
    orders = new_outbox(database)
    orders.put(placed(1))

    assert orders.sequence() == 1


def _dies(*_: Any) -> None:
    raise AutoReconnect("connection closed")
