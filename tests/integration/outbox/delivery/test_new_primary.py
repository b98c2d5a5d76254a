"""A primary that was just elected does not know for a moment what is committed: nobody believes it then."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from bson import ObjectId
from pymongo import MongoClient, ReadPreference
from pymongo.database import Database
from pymongo.errors import PyMongoError
from pymongo.read_concern import ReadConcern

from outbox import Outbox
from outbox.dead_letters.store import DeadLetterStore
from outbox.delivery.at_least_once import AtLeastOnce
from outbox.delivery.ports import TransactionalSink
from outbox.log.cursors import CursorStore
from outbox.log.reader_id import relay_id
from outbox.monitoring.drained import is_drained
from outbox.sequencer.sequencer import Sequencer
from outbox.shares.layout import share_cursor
from relay import Relay
from relay.errors import Verdict
from relay.kafka.exactly_once import ExactlyOnce
from relay.testing import MemorySink, MemoryTransactions
from tests.actors.order_service import foreign, new_outbox, totals
from tests.actors.relay_thread import numbered, run_once, saved_seq
from tests.servers.replica_set import ReplicaSet
from tests.waiting import wait_until

Document = dict[str, Any]
UNAWARE = "disableSnapshotting"


@pytest.fixture(scope="module")
def nodes() -> Iterator[ReplicaSet]:
    with ReplicaSet(3, election_ms=5000) as replica_set:
        yield replica_set


@pytest.fixture
def orders(nodes: ReplicaSet) -> Iterator[Outbox]:
    nodes.wait_until_healthy()
    with MongoClient[Document](nodes.uri, serverSelectionTimeoutMS=20_000) as client:
        database: Database[Document] = client[f"test_{ObjectId()}"]
        with new_outbox(database) as outbox:
            numbered(outbox, 3)
            yield outbox


class Successor:
    """A secondary that has all the data, and learns nothing more of what is committed until it is `told`."""

    def __init__(self, nodes: ReplicaSet, orders: Outbox) -> None:
        self._nodes = nodes
        self._orders = orders
        self._node = nodes.secondaries()[0]

    def knows(self, id: ObjectId) -> None:
        """It has this message in staging, for good."""
        home = self._orders.collections
        with self._node.connect() as client:
            staging = client[home.database.name].get_collection(
                home.staging.name, read_concern=ReadConcern("majority"), read_preference=ReadPreference.SECONDARY
            )
            wait_until(lambda: staging.find_one({"_id": id}), 30, "the message to be there")

    def be_unaware(self) -> None:
        self._fail_point("alwaysOn")

    def told(self) -> None:
        self._fail_point("off")

    def elected(self) -> None:
        """It is primary now, and the outbox's client knows."""
        with self._node.connect() as client:
            wait_until(lambda: self._stands(client), 30, "it to be elected")
        service = self._orders.collections.client
        place = ("127.0.0.1", self._node.port)
        wait_until(lambda: service.primary == place, 30, "the client to know")

    def _stands(self, client: MongoClient[Document]) -> bool:
        with contextlib.suppress(PyMongoError):  # refused while it has not caught up
            client.admin.command("replSetStepUp")
        return bool(client.admin.command("hello")["isWritablePrimary"])

    def _fail_point(self, mode: str) -> None:
        with self._node.connect() as client:
            client.admin.command("configureFailPoint", UNAWARE, mode=mode)


@pytest.fixture
def successor(nodes: ReplicaSet, orders: Outbox) -> Iterator[Successor]:
    node = Successor(nodes, orders)
    try:
        yield node
    finally:
        node.told()


def once_loaded(monkeypatch: pytest.MonkeyPatch, do: Callable[[], None]) -> None:
    """When the relay has learned its cursor, and before it looks at the log."""
    load = CursorStore.load

    def loaded(self: CursorStore, *arguments: Any) -> Any:
        found = load(self, *arguments)
        monkeypatch.setattr(CursorStore, "load", load)
        do()
        return found

    monkeypatch.setattr(CursorStore, "load", loaded)


@pytest.mark.parametrize("sink", [MemorySink(), MemoryTransactions()], ids=["at least once", "exactly once"])
def test_it_does_not_take_the_log_for_another_one(
    orders: Outbox, successor: Successor, sink: MemorySink, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Goes red, with CursorMismatch, when `verify` reads outside the session in which the cursor was claimed."""
    successor.be_unaware()
    numbered(orders, 3)
    run_once(Relay(orders, sink))
    cursors = share_cursor(orders.collections.cursors, "relay:kafka", in_kafka=isinstance(sink, TransactionalSink))
    delivery = (
        ExactlyOnce(orders, cursors, sink) if isinstance(sink, TransactionalSink) else AtLeastOnce(orders, cursors)
    )
    lease = orders.collections.lease(relay_id("kafka"))
    assert lease.acquire()
    letters = DeadLetterStore(orders.collections, cursors, lease.fence, "stop")
    once_loaded(monkeypatch, successor.elected)

    with pytest.raises(PyMongoError) as waited:
        delivery.position(lease, letters)
    successor.told()
    wait_until(lease.acquire, 30, "the lease, for which an old state of it may be read at first")
    found = delivery.position(lease, letters)
    lease.release()

    assert waited.value.timeout
    assert (found and found[0], saved_seq(orders)) == (6, 6)


def test_it_does_not_show_the_sequencer_what_is_in_the_log_already(orders: Outbox, successor: Successor) -> None:
    """Goes red when every snapshot is believed: what was appended and deleted long ago would be appended again."""
    worker = Sequencer(orders.collections)
    assert worker.take_over()
    known = orders.collections.staging.insert_one(foreign(4)).inserted_id
    successor.knows(known)
    successor.be_unaware()
    for total in (5, 6):
        assert worker.sweep().messages == 1
        worker._clearing.wait_until_at_most()  # a majority has deleted it
        orders.collections.staging.insert_one(foreign(total))
    worker.sweep()
    worker._clearing.wait_until_at_most()
    worker.sweep()
    successor.elected()
    swept = worker.sweep()
    successor.told()
    wait_until(lambda: worker.sweep().is_last, 30, "a snapshot that is to be believed")
    worker.release()

    assert (swept.is_behind, swept.messages, swept.is_last) == (True, 0, False)
    assert totals(orders.read(4)) == [4, 5, 6]


def test_it_does_not_take_staging_for_empty(orders: Outbox, successor: Successor) -> None:
    """Goes red when `--once` believes any read of staging: it ends, and what was committed before is not delivered."""
    relay = Relay(orders, MemorySink())
    run_once(relay)
    successor.be_unaware()
    orders.collections.staging.insert_one(foreign())
    successor.elected()

    assert not is_drained(orders.collections, (3, None, None))


def test_it_does_not_take_its_parked_keys_for_free(orders: Outbox, successor: Successor) -> None:
    """Goes red when any read of the letters is believed: a later message of the key overtakes the dead one."""
    numbered(orders, 1)
    successor.be_unaware()
    sink = MemorySink()
    sink.refused = {1: Verdict.POISON}
    run_once(Relay(orders, sink, on_poison="park-key"))
    cursors = share_cursor(orders.collections.cursors, "relay:kafka")
    successor.elected()
    letters = DeadLetterStore(orders.collections, cursors, 99, "park-key")
    record = orders.log.record_at(1)
    assert record is not None

    with pytest.raises(PyMongoError) as waited:
        letters.park([record])
    with pytest.raises(PyMongoError):
        letters.requeued()

    assert waited.value.timeout
    assert not letters.is_idle
