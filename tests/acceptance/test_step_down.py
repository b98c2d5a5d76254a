"""A three-node replica set gets another primary while everybody works."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from bson import ObjectId
from pymongo import MongoClient
from pymongo.errors import PyMongoError

from outbox.location import holds
from tests.acceptance.conftest import Start
from tests.acceptance.consumers import Scene
from tests.acceptance.ledger import Ledger, duplicates
from tests.acceptance.process import Process
from tests.acceptance.projections import ProjectionScene
from tests.acceptance.topic import Topic
from tests.actors.archiving import put
from tests.actors.mirrors import running
from tests.actors.order_service import new_outbox
from tests.actors.transferring import another, messages
from tests.servers.replica_set import ReplicaSet
from tests.waiting import wait_until

WRITERS = 3

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def replica_set() -> Iterator[ReplicaSet]:
    # On a busy machine a slow primary must not be succeeded for ever by the next slow one.
    with ReplicaSet(election_ms=3000) as replica_set:
        yield replica_set


@pytest.fixture(scope="module")
def mongo(replica_set: ReplicaSet) -> Iterator[MongoClient[dict[str, Any]]]:
    """The ledger is on these three nodes."""
    with MongoClient[dict[str, Any]](replica_set.uri) as client:
        yield client


@contextmanager
def stepped_down(replica_set: ReplicaSet) -> Iterator[None]:
    """The primary gives way in good order: connections break, and nothing is rolled back."""
    replica_set.step_down(seconds=5)
    yield


@contextmanager
def frozen(replica_set: ReplicaSet) -> Iterator[None]:
    """The primary hangs, its connections open, with what it had not yet passed on; that is rolled back afterwards."""
    primary = replica_set.primary()
    replica_set.pause(primary)
    try:
        yield
    finally:
        replica_set.resume(primary)


@contextmanager
def killed(replica_set: ReplicaSet) -> Iterator[None]:
    """The primary is gone at once, and comes back afterwards."""
    primary = replica_set.primary()
    replica_set.kill(primary)
    yield
    replica_set.restart(primary)


def test_writing_sequencing_and_relaying_ride_out_another_primary(
    replica_set: ReplicaSet, ledger: Ledger, kafka: str, ledger_topic: Topic, start: Start
) -> None:
    """Watches over taking over after every doubt, and over reads and writes with majority."""
    ledger.create()
    place = (replica_set.uri, ledger.database.name)
    writers = [start("write", *place, "--rate", 60, "--seed", seed) for seed in range(WRITERS)]
    to_kafka = ("--mongo", replica_set.uri, "--database", ledger.database.name)
    to_kafka += ("--kafka", kafka, "--topic", ledger_topic.name)
    relay = start("relay_with", "--lease", 10, "run", *to_kafka)
    _wait_for_more(ledger_topic, 200, relay)
    for primary in (stepped_down, frozen, killed, stepped_down):
        with primary(replica_set):
            _wait_for_more(ledger_topic, 300, relay)
        replica_set.wait_until_healthy()
    assert relay.exit_code is None, relay.said()
    for writer in writers:
        writer.stop()
    relay.stop()
    start("relay_with", "--lease", 10, "run", *to_kafka, "--once").succeed(240)

    assert ledger.faults(ledger.written(writers), ledger_topic.records()) == []


def test_a_backlog_in_staging_keeps_its_order_through_a_step_down(
    replica_set: ReplicaSet, ledger: Ledger, start: Start
) -> None:
    """Watches over sorting by `at`, the server's stamp: secondaries apply in parallel, so a new primary's natural order
    is not the order of the commits."""
    ledger.create(accounts=10)
    place = (replica_set.uri, ledger.database.name)
    writers = [start("write", *place, "--accounts", 10, "--seed", seed) for seed in range(WRITERS)]
    wait_until(lambda: ledger.staged() > 2000, 60, "a backlog")
    replica_set.step_down(seconds=5)
    after = ledger.staged()
    wait_until(lambda: ledger.staged() > after + 200, 60, "the writers to go on")
    for writer in writers:
        writer.stop()

    sequencer = start("sequence", *place, "--lease", 3)
    wait_until(lambda: ledger.staged() == 0, 60, "staging to be empty")
    sequencer.stop()

    assert ledger.faults(ledger.written(writers)) == []


@pytest.mark.heavy
@pytest.mark.usefixtures("transactions_ended")
def test_consumers_of_every_kind_ride_out_another_primary(
    replica_set: ReplicaSet, ledger: Ledger, start: Start
) -> None:
    """Watches over asking for the position after every doubt, and over what is put into another outbox meanwhile."""
    ledger.create_copies()
    scene = Scene(ledger, replica_set.uri, start, writers=2)
    scene.of_every_kind()
    scene.wait_for_more()
    for primary in (stepped_down, killed):
        with primary(replica_set):
            scene.wait_for_more()
        replica_set.wait_until_healthy()

    assert scene.finish() == []
    assert duplicates(ledger.effects("transaction")) == 0
    assert ledger.faults_of_copies(ledger.written(scene.writers)) == []


@pytest.mark.heavy
@pytest.mark.usefixtures("transactions_ended")
def test_a_projection_that_is_rebuilt_and_its_shares_ride_out_another_primary(
    replica_set: ReplicaSet, ledger: Ledger, start: Start
) -> None:
    """Watches over the states and the position in one transaction, whoever can say whether that was committed."""
    scene = ProjectionScene(ledger, replica_set.uri, start, writers=2)
    scene.consumer("--shares", 2)
    scene.wait_for_more()
    for primary in (stepped_down, killed):
        scene.consumer("--rebuild")
        with primary(replica_set):
            scene.wait_for_more()
        replica_set.wait_until_healthy()

    assert scene.finish() == []


@pytest.mark.heavy
def test_mirrors_to_the_same_servers_and_to_others_ride_out_another_primary(
    replica_set: ReplicaSet, mongo: MongoClient[dict[str, Any]], mongo_uri: str
) -> None:
    """Watches over asking the destination for the position after every doubt."""
    with MongoClient[dict[str, Any]](mongo_uri) as elsewhere:
        name, stop = f"test_{ObjectId()}", threading.Event()
        orders, copies = new_outbox(mongo[name]), [another(client[name]) for client in (mongo, elsewhere)]

        def write() -> None:
            while not stop.wait(0.05):
                with contextlib.suppress(PyMongoError):  # whether it is in or not, the log says
                    put(orders, 10)

        def all_there() -> bool:
            for copy in copies:
                copy.sequence()
            return all(copy.log.head() == orders.log.head() for copy in copies)

        writer = threading.Thread(target=write)
        writer.start()
        try:
            with running(orders, copies[0]), running(orders, copies[1], name="elsewhere"):
                for primary in (stepped_down, killed, frozen):
                    with primary(replica_set):
                        stop.wait(3)
                    replica_set.wait_until_healthy()
                stop.set()
                writer.join()
                orders.sequence()
                wait_until(lambda: holds(all_there), 90, "all to be there")
        finally:
            stop.set()
            writer.join()

        assert [messages(copy) for copy in copies] == [messages(orders)] * 2
        elsewhere.drop_database(name)


def _wait_for_more(topic: Topic, records: int, relay: Process) -> None:
    enough = topic.end() + records
    try:
        wait_until(lambda: topic.end() >= enough, 120, f"{records} more records in Kafka")
    except AssertionError as error:
        error.add_note(f"the relay said: …{relay.said()[-3000:]}")
        raise
