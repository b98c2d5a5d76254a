"""A cursor is made on a full log that is written to, between any two calls of whoever appends; and the other way."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
from pymongo.database import Database
from pymongo.errors import ExecutionTimeout

from outbox import Outbox
from outbox.clock import SystemClock
from outbox.delivery.worker import Worker
from outbox.errors import InvalidStart, LeaseLost
from outbox.log.reader_id import relay_id
from outbox.mongo import patience
from outbox.mongo.lease import Lease
from outbox.readers.start import StartAt
from outbox.sequencer.appender import TakeoverRequired
from outbox.sequencer.sequencer import Sequencer, SweepResult
from outbox.shares.cursor_admin import forget, move
from outbox.shares.layout import load
from outbox.shares.resharing import Resharing
from relay import Relay
from relay.config import RelayConfig
from relay.encoding.topics import Topics
from relay.testing import MemorySink
from tests.actors.order_service import placed
from tests.actors.relay_thread import run_once, seqs
from tests.actors.small_log import small_outbox
from tests.doubles.crashes import Life
from tests.doubles.executors import Now
from tests.steps import EVERY, steps

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(600)]

Document = dict[str, Any]
CALLS = ("find", "find_one", "insert_one", "insert_many", "update_one", "aggregate", "find_one_and_update")
Register = Callable[[Outbox], None]


class Appending:
    """A sequencer on the test's own thread, that does nothing beside what it is told."""

    def __init__(self, orders: Outbox) -> None:
        self._orders = orders
        lease = Lease(orders.collections.leases, "sequencer", seconds=600)
        self.sequencer = Sequencer(orders.collections, lease, threads=Now())
        assert self.sequencer.take_over()

    def append(self, count: int) -> list[SweepResult]:
        """So many large messages, each of which rolls over what is oldest, unless somebody is waited for."""
        swept = []
        for number in range(count):
            self._orders.put(placed(number, note="x" * 2000), standalone=True)
            swept.append(self.sequencer.sweep())
        return swept


@pytest.fixture
def orders(database: Database[Document], monkeypatch: pytest.MonkeyPatch) -> Iterator[Outbox]:
    """With a log of 16 KiB, and patience for what others do in the middle of a call."""
    monkeypatch.setattr(patience, "CALL_SECONDS", 60.0)
    monkeypatch.setattr(patience, "_seconds", 60.0)
    with small_outbox(database) as outbox:
        yield outbox


@pytest.fixture
def life(monkeypatch: pytest.MonkeyPatch) -> Life:
    names = (".leases", ".cursors", ".staging", "outbox")
    return Life(monkeypatch, CALLS, names, [(Database, "command")])


def relay_of(shares: int, start: StartAt) -> Register:
    """The first start of a relay."""

    def register(orders: Outbox) -> None:
        config = RelayConfig(orders, "kafka", start, "stop", lambda: 0.0, Topics())
        home = orders.collections.lease(relay_id("kafka"))
        sink = MemorySink()
        resharing = Resharing(
            orders.collections, "relay:kafka", home, work=lambda share: Worker(config, sink, share), begin=config.begin
        )
        resharing.run(shares, threading.Event(), 0.0)

    return register


def set_to_the_oldest(orders: Outbox) -> None:
    """`relay cursor set`, which says so when it came too late."""
    move(orders.collections, "relay:kafka", orders.log.oldest() - 1, SystemClock())


REGISTERS = [relay_of(1, "oldest"), relay_of(3, "oldest"), relay_of(3, "latest"), set_to_the_oldest]
REGISTERING = pytest.mark.parametrize("register", REGISTERS, ids=["one", "shares", "shares-latest", "set"])


class Registered:
    """Registers, and looks from then on whether what was promised is kept. One that was refused has no promise."""

    def __init__(self, orders: Outbox, register: Register) -> None:
        self._orders = orders
        self._register = register
        self.next: int | None = None
        """The seq of the first record that was promised."""

    def __call__(self) -> None:
        with suppress(InvalidStart):
            self._register(self._orders)
            positions = load(self._orders.collections, "relay:kafka").positions
            [seq] = {0 if each is None else each[0] for each in positions}
            self.next = seq + 1

    def assert_kept(self) -> None:
        if self.next is not None:
            log = self._orders.log
            assert log.earliest() <= self.next or self.next > log.head(), "its next record was rolled over"

    def end(self) -> None:
        """For the next round."""
        forget(self._orders.collections, "relay:kafka", SystemClock())


def rounds(orders: Outbox, register: Register, play: Callable[[int, Registered], bool]) -> None:
    """Plays with one call after the other (see tests.steps) until there are no more; the last relay gets all from its
    first on."""
    kept = 0
    for call in steps(REGISTERS.index(register)):
        registered = Registered(orders, register)
        happened = play(call, registered)
        registered.assert_kept()
        kept += registered.next is not None
        if not happened:
            break
        registered.end()
    assert kept > 4 / EVERY, "hardly anybody could be registered"
    assert registered.next is not None
    sink = MemorySink()
    run_once(Relay(orders, sink))
    assert sorted(seqs(sink)) == list(range(registered.next, orders.log.head() + 1))


@REGISTERING
def test_a_cursor_made_between_two_calls_of_a_sequencer_is_not_overrun(
    orders: Outbox, life: Life, register: Register
) -> None:
    """Goes red when the sequencer looks at the cursors before it announces only."""
    appending = Appending(orders)
    appending.append(20)

    def play(call: int, registered: Registered) -> bool:
        appending.append(3)
        happened = life.overtaken(call, registered, lambda: appending.append(2))
        if not happened:
            registered()
        registered.assert_kept()
        appending.append(12)
        if not happened:
            appending.sequencer.release()
        return happened

    rounds(orders, register, play)


@REGISTERING
def test_a_cursor_that_others_append_beside_is_not_overrun_once_it_is_made(
    orders: Outbox, life: Life, register: Register
) -> None:
    """Goes red when whoever makes a cursor does not look at the edge once more after that."""
    appending = Appending(orders)
    appending.append(20)

    def play(call: int, registered: Registered) -> bool:
        happened = life.overtaken(call, lambda: appending.append(3), registered)
        registered.assert_kept()
        appending.append(12)
        if not happened:
            appending.sequencer.release()
        return happened

    rounds(orders, register, play)


@REGISTERING
@pytest.mark.parametrize("when", ["before", "between", "after"])
def test_a_cursor_made_while_a_frozen_sequencer_is_succeeded_is_not_overrun(
    orders: Outbox, life: Life, register: Register, when: str
) -> None:
    """The old one thaws in the middle of an append that it has decided before, and ends."""

    def play(call: int, registered: Registered) -> bool:
        old, successors = Appending(orders), []
        old.append(20 if call < EVERY else 3)

        def succeed() -> None:
            if when == "before":
                registered()
            orders.collections.leases.update_one({"_id": "sequencer"}, {"$set": {"owner": None}})
            successors.append(Appending(orders))
            if when == "between":
                registered()
            successors[0].append(3)
            if when == "after":
                registered()

        def thaw() -> None:
            with suppress(LeaseLost, TakeoverRequired):
                old.append(2)
            with suppress(ExecutionTimeout):  # what happens inside its calls takes as long as it takes
                old.sequencer.release()

        happened = life.overtaken(call, succeed, thaw)
        if not happened:
            succeed()
        registered.assert_kept()
        successors[0].append(12)
        successors[0].sequencer.release()
        return happened

    rounds(orders, register, play)
