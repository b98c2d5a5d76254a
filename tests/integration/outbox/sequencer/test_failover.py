"""Three nodes: step-downs, deletes that are not yet everywhere, and what only one node has seen."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from bson import Int64, ObjectId, Timestamp
from pymongo import MongoClient, WriteConcern
from pymongo.collection import Collection
from pymongo.database import Database
from pymongo.errors import PyMongoError
from pymongo.read_concern import ReadConcern

from outbox import Outbox, Record
from outbox.log import batch
from outbox.mongo.collections import Collections
from outbox.mongo.lease import Lease
from outbox.sequencer import cleanup
from outbox.sequencer.cleanup import StagingCleanup
from outbox.sequencer.sequencer import Sequencer
from outbox.sequencer.snapshot import Snapshot
from outbox.shares.layout import share_cursor
from tests.actors.order_service import MESSAGES, new_outbox, placed, totals
from tests.doubles.executors import Now
from tests.servers.replica_set import ReplicaSet
from tests.waiting import wait_until

pytestmark = pytest.mark.oldest_server

Document = dict[str, Any]


@pytest.fixture(scope="module")
def nodes() -> Iterator[ReplicaSet]:
    # Here a primary steps down or stays: one that is merely slow, on a busy machine, must not be succeeded.
    with ReplicaSet(3, election_ms=5000) as replica_set:
        yield replica_set


@pytest.fixture
def database(nodes: ReplicaSet) -> Iterator[Database[Document]]:
    nodes.wait_until_healthy()
    with MongoClient[Document](nodes.uri, serverSelectionTimeoutMS=20_000) as client:
        yield client[f"test_{ObjectId()}"]


def _put_until_it_succeeds(orders: Outbox, n: int) -> None:
    """A service that tries again: a message may be committed though its answer was lost, so it is put twice."""
    while True:
        try:
            orders.put(placed(n), standalone=True)
        except PyMongoError:
            continue
        return


def test_step_downs_are_ridden_out_from_the_exact_next_seq(nodes: ReplicaSet, database: Database[Document]) -> None:
    with new_outbox(database) as orders:
        got: list[Record[Any]] = []
        errors: list[Exception] = []
        orders.observe("earliest").subscribe(got.append, errors.append)
        stop = threading.Event()
        put: list[int] = []

        def write() -> None:
            while not stop.is_set():
                _put_until_it_succeeds(orders, len(put))
                put.append(len(put))
                stop.wait(0.01)

        with ThreadPoolExecutor(1) as pool:
            writer = pool.submit(write)
            try:
                wait_until(lambda: len(got) > 20, 30, "the first records")
                nodes.step_down()
                seen = len(put)
                wait_until(lambda: len(put) > seen + 50, 40, "writing to go on")
            finally:
                stop.set()
            writer.result()

        wait_until(lambda: set(totals(got)) == set(put), 30, "all that was put")
        assert [each.seq for each in got] == list(range(1, len(got) + 1))
        assert len({each.id for each in got}) == len(got)
        first_seen = list(dict.fromkeys(totals(got)))
        assert first_seen == sorted(first_seen)
        assert errors == []


def test_a_backlog_keeps_its_order_over_a_step_down(nodes: ReplicaSet, database: Database[Document]) -> None:
    """Goes red when a sweep relies on natural order: secondaries apply in parallel."""
    with new_outbox(database, sequence=False) as orders:

        def write(key: int) -> None:
            for n in range(0, 300, 10):
                orders.put([placed(n + m, str(key)) for m in range(10)], standalone=True)

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(write, range(4)))
        nodes.step_down()
        wait_until(lambda: _sequenced(orders), 30, "the new primary to number the backlog")

        for key in range(4):
            assert totals(orders.read(key=str(key))) == list(range(300))


def _sequenced(orders: Outbox) -> bool:
    try:
        orders.sequence()
    except PyMongoError:
        return False
    return orders.collections.staging.find_one() is None


HOLD = "rsSyncApplyStop"


@contextlib.contextmanager
def _held_back(nodes: ReplicaSet) -> Iterator[None]:
    """Both secondaries apply nothing of what they are sent; they stay reachable."""
    try:
        for node in nodes.secondaries():
            with node.connect() as client:
                client.admin.command("configureFailPoint", HOLD, mode="alwaysOn")
        yield
    finally:
        for node in nodes.nodes:
            with node.connect() as client:
                client.admin.command("configureFailPoint", HOLD, mode="off")


@pytest.mark.parametrize("majority", [True, False])
def test_a_message_whose_delete_is_not_yet_everywhere_is_not_numbered_twice(
    nodes: ReplicaSet, database: Database[Document], monkeypatch: pytest.MonkeyPatch, majority: bool
) -> None:
    """With `w: 1` deletes, and without the belt that is the window, the next snapshot shows what was deleted."""
    with new_outbox(database, sequence=False) as orders:
        worker = Sequencer(orders.collections)
        worker.take_over()
        orders.put([placed(n) for n in range(10)], standalone=True)
        delete_many = Collection.delete_many

        with contextlib.ExitStack() as late:

            def delete(self: Collection[Any], *arguments: Any, **options: Any) -> Any:
                if not majority:  # the delete is acknowledged by the primary alone, while the others are late
                    monkeypatch.setattr(Collection, "delete_many", delete_many)
                    late.enter_context(_held_back(nodes))
                    self = self.with_options(write_concern=WriteConcern(w=1))
                return delete_many(self, *arguments, **options)

            monkeypatch.setattr(Collection, "delete_many", delete)
            worker.sweep()
            worker._clearing.wait_until_at_most()
            reply = database.command({"find": "outbox.staging", "readConcern": {"level": "snapshot"}})

        assert (reply["cursor"]["firstBatch"] == []) is majority


def test_the_window_filters_out_what_an_older_snapshot_still_shows(
    nodes: ReplicaSet, database: Database[Document], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The belt: goes red when `sweep` appends all that it fetched."""
    with new_outbox(database, sequence=False) as orders:
        worker = Sequencer(orders.collections)
        worker.take_over()
        orders.put([placed(n) for n in range(10)], standalone=True)
        fetched = Snapshot(orders.collections, Now()).page()

        def fetch(snapshot: Snapshot) -> list[bytes]:
            snapshot.time = Timestamp((1 << 32) - 1, 1)  # as old as it is, it is not seen to be
            return fetched

        monkeypatch.setattr(Snapshot, "_fetch", fetch)
        worker.sweep()
        worker.sweep()

        assert totals(orders.read()) == list(range(10))


def test_what_only_the_primary_has_is_shown_to_nobody(nodes: ReplicaSet, database: Database[Document]) -> None:
    """Goes red when readers read with local concern: a rollback could take back what they have seen."""
    with new_outbox(database, sequence=False) as orders, Outbox(database, messages=MESSAGES, sequence=False) as reading:
        orders.put(placed(1), standalone=True)
        orders.sequence()
        got: list[Record[Any]] = []
        reading.observe("earliest").subscribe(got.append)
        wait_until(lambda: totals(got) == [1], 30, "the first record")

        rings = reading._feed.head.rings
        with _held_back(nodes):
            _append(orders, 2, WriteConcern(w=1))
            local = database.outbox.with_options(read_concern=ReadConcern("local"))
            assert local.find_one({"_id": 2}) is not None
            wait_until(lambda: reading._feed.head.rings > rings, 30, "the tail to have seen it")
            assert totals(reading.read()) == [1]
            assert totals(got) == [1]
        wait_until(lambda: totals(got) == [1, 1], 30, "what the majority has now")


def test_nothing_counts_that_only_the_primary_has(
    nodes: ReplicaSet, database: Database[Document], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Goes red when one of these is acknowledged sooner: a rollback would take it back, and nobody would know."""
    monkeypatch.setattr(cleanup, "DELETE_SECONDS", 1.0)
    with new_outbox(database, sequence=False) as orders:
        staging, log, leases, cursors = (
            getattr(orders.collections, name) for name in ("staging", "log", "leases", "cursors")
        )
        worker, lease = Sequencer(orders.collections, threads=Now()), Lease(leases, "relay:kafka")
        assert (worker.take_over(), lease.acquire()) == (True, True)
        saved = share_cursor(cursors, "relay:kafka")
        saved.register((0, None, None), lease)
        id = orders.put(placed(1), standalone=True)
        acts: dict[str, Callable[[], object]] = {
            "append": worker.sweep,
            "delete": lambda: StagingCleanup(staging, Now()).delete([id.binary]),
            "lease": lease.renew,
            "cursor": lambda: saved.save((1, None, id), lease.fence),
        }

        with _held_back(nodes):
            early = [name for name, act in acts.items() if not _waits(act)]

        assert early == []
        wait_until(lambda: log.find_one({"_id": 1}) and not staging.find_one(), 30, "all of it to be done in the end")


def _waits(act: Callable[[], object]) -> bool:
    try:
        act()
    except PyMongoError as error:
        return error.timeout
    return False


def _append(orders: Outbox, seq: int, write_concern: WriteConcern) -> None:
    record = orders.collections.log.find_one({"_id": 1})
    assert record is not None
    record |= {"_id": Int64(seq), "last": Int64(seq), "undeleted": Int64(seq)}
    orders.collections.log.with_options(write_concern=write_concern).insert_one(record)


def test_genesis_is_there_on_every_node(nodes: ReplicaSet, database: Database[Document]) -> None:
    new_outbox(database)
    for node in nodes.nodes:
        with node.connect() as client:
            log = Collections(client[database.name], "outbox").log.with_options(read_concern=ReadConcern("local"))
            # A write that a majority has is not yet on the third node.
            assert wait_until(log.find_one, 30, f"a document on {node.address}") == batch.GENESIS
