"""Whatever becomes of a sequencer, and wherever: every committed message is in the log once, gapless, in its order."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any

import pytest
from bson import Int64, ObjectId
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pymongo.client_session import ClientSession
from pymongo.collection import Collection
from pymongo.database import Database
from pymongo.errors import AutoReconnect, PyMongoError

from outbox import LeaseLost
from outbox.log import batch
from outbox.log.log import Log, validator
from outbox.mongo.collections import Collections
from outbox.mongo.lease import Lease
from outbox.sequencer import snapshot
from outbox.sequencer.appender import TakeoverRequired
from outbox.sequencer.sequencer import Sequencer
from outbox.testing import FakeClock
from tests.actors.order_service import foreign
from tests.doubles.executors import Later, Now

Document = dict[str, Any]

CAP = 32 << 10
CALLS = {
    "find", "find_one", "insert_one", "insert_many", "find_one_and_update", "update_one", "replace_one",
    "delete_many", "command", "list_collections",
}  # fmt: skip


class Fate:
    """What happens to a process at its n-th call of the server from now on; nothing when n is None."""

    def __init__(self) -> None:
        self.countdown: int | None = None
        self.kind = ""
        self.meanwhile: Callable[[str], None] = lambda kind: None
        self.appended: Callable[[], None] = lambda: None

    def set(self, countdown: int | None, kind: str) -> None:
        self.countdown, self.kind = countdown, kind

    def strikes(self) -> bool:
        if self.countdown is None:
            return False
        self.countdown -= 1
        if self.countdown < 0:
            self.countdown = None
            return True
        return False


class Faulty:
    """A collection or database whose server, or whose process, fails as fate has it."""

    def __init__(self, real: Any, fate: Fate) -> None:
        self._real = real
        self._fate = fate

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self._real, name)
        if name == "with_options":
            return lambda **options: Faulty(attribute(**options), self._fate)
        if name not in CALLS:
            return attribute
        return lambda *arguments, **options: self._looked_at(name, attribute, *arguments, **options)

    def _looked_at(self, name: str, method: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        try:
            return self._call(method, *arguments, **options)
        finally:
            if name == "insert_many":
                self._fate.appended()

    def _call(self, method: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        if not self._fate.strikes():
            return method(*arguments, **options)
        match self._fate.kind:
            case "never sent":
                raise AutoReconnect("connection refused")
            case "half done" if arguments and isinstance(arguments[0], list):
                method(arguments[0][: len(arguments[0]) // 2] or arguments[0], **options)
                raise AutoReconnect("connection closed")
            case "slept" | "overslept":
                self._fate.meanwhile(self._fate.kind)
                return method(*arguments, **options)
            case _:
                method(*arguments, **options)
                raise AutoReconnect("connection closed: the answer is lost")


class Process:
    """One that may sequence, with a clock and a fate of its own."""

    def __init__(self, database: Database[Document], threads: Executor) -> None:
        self.fate, self.clock = Fate(), FakeClock()
        collections: Any = Collections(database, "outbox")
        lease = Lease(collections.leases, "sequencer", clock=self.clock)
        for name in ("staging", "log", "leases", "dead", "database"):
            setattr(collections, name, Faulty(getattr(collections, name), self.fate))
        lease._leases = collections.leases
        self.sequencer = Sequencer(collections, lease, threads=threads)

    def takes_over(self) -> bool:
        """Waits as long as it must, if the lease is another's."""
        if self.sequencer.take_over():
            return True
        self.clock.advance(10)
        return self.sequencer.take_over()

    def works(self, sweeps: int) -> None:
        """Some sweeps, or until it fails; then the process is as good as dead until it works again."""
        try:
            if self.takes_over():
                for _ in range(sweeps):
                    self.sequencer.sweep()
        except (PyMongoError, TakeoverRequired, LeaseLost):
            pass
        finally:
            self.fate.set(None, "")


class World:
    """An outbox with a small cap and two processes, and the truth about what was committed to it."""

    def __init__(self, database: Database[Document]) -> None:
        for name in ("outbox", "outbox.staging", "outbox.leases", "outbox.dead"):
            database.drop_collection(name)
        log = database.create_collection("outbox", capped=True, size=CAP, validator=validator(0))
        log.insert_one(batch.GENESIS)
        database.create_collection("outbox.staging").create_index("at")
        self.staging: Collection[Document] = database["outbox.staging"]
        self.log = Log(Collections(database, "outbox"))
        self.processes = [Process(database, Now()), Process(database, Later())]
        for process in self.processes:
            process.fate.appended = self.look  # at once: what is appended next may push it over the edge
        self.processes[0].fate.meanwhile = lambda kind: self._interlude(self.processes[1], kind)
        self.processes[1].fate.meanwhile = lambda kind: self._interlude(self.processes[0], kind)
        self.put_in_order: list[ObjectId] = []
        self.late: ObjectId | None = None
        self.session: ClientSession | None = None
        self.seen: dict[int, ObjectId] = {}

    def _interlude(self, other: Process, kind: str) -> None:
        """What happens while a process sleeps: more is put, and the other one works, until the log has rolled over."""
        for _ in range(1 if kind == "slept" else 6):
            self.put(1, 10 if kind == "slept" else 6000)
            other.works(1)
            self.look()

    def put(self, messages: int, size: int) -> None:
        documents = [foreign(data={"text": "x" * size}) for _ in range(messages)]
        self.staging.insert_many(documents)
        self.put_in_order += [each["_id"] for each in documents]

    def begin_or_commit(self) -> None:
        """A transaction that commits late, with an `at` that may be below what was swept long ago."""
        if self.session is None:
            self.session = self.staging.database.client.start_session()
            self.session.start_transaction()
            document = foreign()
            self.staging.insert_one(document, session=self.session)
            self.late = document["_id"]
        else:
            self.session.commit_transaction()
            self.session.end_session()
            self.session = None

    def work(self, who: int, sweeps: int, fault: tuple[int, str] | None) -> None:
        if fault is not None:
            self.processes[who].fate.set(*fault)
        for _ in range(sweeps):
            self.processes[who].works(1)
            self.look()

    def look(self) -> None:
        """Reads the log: nothing that was ever in it may change."""
        for found in self.log.batches_from(1, 1000):
            for record in found.records():
                assert self.seen.setdefault(record.seq, record.id) == record.id

    def drain(self) -> None:
        """A last process, to which nothing happens."""
        if self.session is not None:
            self.begin_or_commit()
        while self.staging.find_one() is not None:
            self.work(0, 1, None)
        self.look()


faults = st.none() | st.tuples(st.integers(0, 14), st.sampled_from(["never sent", "answer lost", "half done", "slept"]))
steps = st.lists(
    st.tuples(st.just("put"), st.integers(1, 12), st.sampled_from([10, 10, 10, 2000, 6000]))
    | st.tuples(st.just("work"), st.integers(0, 1), st.integers(1, 3), faults)
    | st.tuples(st.just("work"), st.integers(0, 1), st.integers(1, 3), faults)
    | st.tuples(st.just("late")),
    min_size=4,
    max_size=14,
)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few messages a sweep and fewer a batch, so that one sweep is several of everything."""
    monkeypatch.setattr(snapshot, "FIRST_PAGE_RECORDS", 7)
    monkeypatch.setattr(snapshot, "PAGE_RECORDS", 7)
    monkeypatch.setattr(batch, "MAX_RECORDS", 3)


@pytest.mark.heavy
@pytest.mark.usefixtures("small")
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(steps=steps)
def test_every_message_is_in_the_log_once_gapless_and_in_order(database: Database[Document], steps: list[Any]) -> None:
    """Goes red when, in `Sequencer.take_over`, any of these is taken out: fencing the log, deleting what the newest
    batches hold, or waiting for the lease; and when `undeleted` is one batch off."""
    world = World(database)
    world.put(7, 10)
    for step in steps:
        match step:
            case ("put", messages, size):
                world.put(messages, size)
            case ("work", who, sweeps, fault):
                world.work(who, sweeps, fault)
            case _:
                world.begin_or_commit()
    world.drain()

    assert sorted(world.seen) == list(range(1, len(world.seen) + 1))
    in_log = [world.seen[seq] for seq in sorted(world.seen)]
    assert [each for each in in_log if each in set(world.put_in_order)] == world.put_in_order
    assert len(in_log) == len(set(in_log))
    assert world.log.head() == len(in_log)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("kind", ["never sent", "answer lost", "half done", "slept", "overslept"])
def test_one_fault_at_each_single_step_changes_nothing(database: Database[Document], kind: str) -> None:
    for step in range(16):
        world = World(database)
        world.put(5, 10)
        world.work(0, 2, (step, kind))
        world.put(5, 10)
        world.drain()

        assert [world.seen[seq] for seq in sorted(world.seen)] == world.put_in_order, f"{kind} at step {step}"


def test_a_batch_says_from_where_on_staging_may_still_hold_messages(database: Database[Document]) -> None:
    world = World(database)
    world.put(5, 10)
    world.work(0, 1, None)
    world.put(5, 10)
    world.work(0, 1, None)

    assert [(each.first, each.undeleted) for each in world.log.batches_from(1, 9)] == [(1, 1), (6, 6)]
    assert database.outbox.find_one({"_id": Int64(6)}) is not None
