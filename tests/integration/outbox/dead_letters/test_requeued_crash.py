"""A reader that ends at any moment while it puts messages aside or sends them again: nothing lost, keys in order."""

from __future__ import annotations

import contextlib
import functools
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from bson import ObjectId
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pymongo.collection import Collection
from pymongo.database import Database

from outbox import Outbox
from outbox.consumers.in_transaction import InTransaction
from outbox.consumers.in_turn import InTurn
from outbox.dead_letters import document
from outbox.dead_letters.admin import DeadLetterAdmin, Selection
from outbox.dead_letters.store import DeadLetterStore
from outbox.log.cursors import CursorStore
from relay.testing import MemorySink, MemoryTransactions
from tests.actors.memory_consumer import MemoryConsumer, TransactionalConsumer
from tests.actors.price_service import (
    Receiver,
    admin,
    arrived,
    is_exact,
    make_anew,
    new_prices,
    put,
    reader,
    reader_of,
    refuse,
    sent,
    states,
)
from tests.actors.relay_thread import run_once
from tests.doubles.crashes import Crash
from tests.steps import steps

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(900)]  # minutes on a machine that runs all the others too

Document = dict[str, Any]

STEPS = [
    *((CursorStore, name) for name in ("claim", "save", "conflict_with_others")),
    *(
        (DeadLetterStore, name)
        for name in ("add", "park", "_add", "_refused_again", "next_requeued", "remove", "put_back")
    ),
    *((DeadLetterAdmin, name) for name in ("_mark", "_discard")),
    (Collection, "distinct"),  # in the middle of a transaction that discards
    (MemorySink, "poll"),
    *((target, "poll") for target in (InTurn, InTransaction)),
    *((MemoryTransactions, name) for name in ("take_over", "_commit")),
]
Kind = type[MemorySink | MemoryConsumer]
OF_EVERY_KIND: list[Kind] = [MemorySink, MemoryTransactions, MemoryConsumer, TransactionalConsumer]
KINDS = pytest.mark.parametrize("kind", [MemorySink, MemoryTransactions, TransactionalConsumer])
EVERY_KIND = pytest.mark.parametrize("kind", OF_EVERY_KIND)


class Crashing:
    """Ends the process just before the step of a given number, counted from 0."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._left: int | None = None
        monkeypatch.setattr("outbox.delivery.cursor_saver.EVERY_SECONDS", 0.0)  # hundreds of runs wait for it
        for owner, name in STEPS:
            monkeypatch.setattr(owner, name, self._counted(getattr(owner, name)))

    def _counted(self, method: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(method)
        def counted(*arguments: Any, **named: Any) -> Any:
            self._step()
            return method(*arguments, **named)

        return counted

    def _step(self) -> None:
        if self._left is None:
            return
        self._left -= 1
        if self._left < 0:
            raise Crash

    def at(self, step: int, work: Callable[[], object]) -> bool:
        """Does the work; True when it ended in the middle."""
        self._left = step
        try:
            work()
        except Crash:
            return True
        finally:
            self._left = None
        return False


@pytest.fixture
def crashing(monkeypatch: pytest.MonkeyPatch) -> Crashing:
    return Crashing(monkeypatch)


def first_seqs(sink: Receiver, key: str | None) -> list[int]:
    """The seqs of a key by their first appearance."""
    return list(dict.fromkeys(seq for its, seq in arrived(sink) if its == key))


def check_nothing_lost(prices: Outbox, sink: Receiver, discarded: set[int]) -> None:
    """What the cursor has passed has arrived, or is a letter; with transactions nothing has arrived twice."""
    cursor = prices.collections.cursors.find_one({"_id": reader_of(sink)})
    passed = set() if cursor is None else set(range(1, cursor["seq"] + 1))
    assert passed <= {seq for _, seq in arrived(sink)} | set(states(prices, reader_of(sink))) | discarded
    if is_exact(sink):
        assert len(arrived(sink)) == len(set(arrived(sink)))


def crashes_at_every_step(
    crashing: Crashing, kind: Kind, scene: Callable[[], tuple[Callable[[], object], Callable[[], None]]]
) -> int:
    """Runs the scene's work, ends it at a step, and has the scene checked, for one step after the other; says how many
    there are. See tests.steps: what two kinds have in common ends at each of its steps."""
    for step in steps(OF_EVERY_KIND.index(kind)):
        work, check = scene()
        crashed = crashing.at(step, work)
        check()
        if not crashed:
            return step
    raise AssertionError("never reached")


@pytest.fixture
def outboxes(database: Database[Document]) -> Iterator[Callable[[], Outbox]]:
    """New outboxes, one after the other."""
    with contextlib.ExitStack() as stack:
        names = (f"outbox{number}" for number in itertools.count())
        yield lambda: stack.enter_context(new_prices(database, next(names), capacity="8 MiB", sequence=False))


@EVERY_KIND
def test_a_crash_at_any_step_of_putting_aside_loses_nothing_and_keeps_the_order(
    outboxes: Callable[[], Outbox], crashing: Crashing, kind: Kind
) -> None:
    def scene() -> tuple[Callable[[], object], Callable[[], None]]:
        prices, sink = outboxes(), kind()
        put(prices, "a", "b", "a", "b")
        refuse(sink, 1)

        def check() -> None:
            check_nothing_lost(prices, sink, set())
            run_once(reader(prices, sink))
            check_nothing_lost(prices, sink, set())
            assert states(prices, reader_of(sink)) == {1: "dead", 3: "parked"}
            assert first_seqs(sink, "a") == []
            assert first_seqs(sink, "b") == [2, 4]

        return lambda: run_once(reader(prices, sink)), check

    assert crashes_at_every_step(crashing, kind, scene) > 8


@pytest.mark.parametrize("kind", [MemoryTransactions, TransactionalConsumer])
def test_a_letter_whose_message_the_log_comes_to_again_waits_for_it(
    outboxes: Callable[[], Outbox], monkeypatch: pytest.MonkeyPatch, kind: Kind
) -> None:
    """A crash comes after the message is parked, and before the position is saved; then its key is requeued."""
    prices, sink = outboxes(), kind()
    put(prices, "a")
    refuse(sink, 1)
    run_once(reader(prices, sink))
    put(prices, "a")
    park = DeadLetterStore.park

    def crash(store: DeadLetterStore, records: Any) -> None:
        if park(store, records):
            raise Crash

    with monkeypatch.context() as crashing:
        crashing.setattr(DeadLetterStore, "park", crash)
        with pytest.raises(Crash):
            run_once(reader(prices, sink))
    assert states(prices, reader_of(sink)) == {1: "dead", 2: "parked"}

    refuse(sink)
    admin(prices, sink).requeue(Selection())
    run_once(reader(prices, sink))

    assert arrived(sink) == [("a", 1), ("a", 2)]


@KINDS
@pytest.mark.parametrize("stubborn", [[], [2]])
def test_a_crash_at_any_step_of_sending_again_loses_nothing_and_keeps_the_order(
    outboxes: Callable[[], Outbox], crashing: Crashing, kind: Kind, stubborn: list[int]
) -> None:
    def scene() -> tuple[Callable[[], object], Callable[[], None]]:
        prices, sink = outboxes(), kind()
        put(prices, "a", "a", "a")
        refuse(sink, 1)
        run_once(reader(prices, sink))
        put(prices, "a")
        refuse(sink, *stubborn)

        def work() -> None:
            admin(prices, sink).requeue(Selection(key="a"))
            run_once(reader(prices, sink))

        def check() -> None:
            check_nothing_lost(prices, sink, set())
            refuse(sink)
            admin(prices, sink).requeue(Selection())
            run_once(reader(prices, sink))
            check_nothing_lost(prices, sink, set())
            assert states(prices, reader_of(sink)) == {}
            assert first_seqs(sink, "a") == [1, 2, 3, 4]

        return work, check

    assert crashes_at_every_step(crashing, kind, scene) > 8


@KINDS
def test_a_crash_at_any_step_of_sending_letters_of_two_logs_loses_none_and_keeps_the_order(
    outboxes: Callable[[], Outbox], crashing: Crashing, kind: Kind
) -> None:
    """Two have seq 1, and two seq 2."""

    def scene() -> tuple[Callable[[], object], Callable[[], None]]:
        prices, sink = outboxes(), kind()
        ids = put(prices, "a", "a")
        refuse(sink, 1)
        run_once(reader(prices, sink))
        make_anew(prices, reader_of(sink))
        ids += put(prices, "a", "a")
        run_once(reader(prices, sink))
        refuse(sink)
        assert prices.collections.dead.count_documents({}) == 4

        def work() -> None:
            admin(prices, sink).requeue(Selection(key="a"))
            run_once(reader(prices, sink))

        def check() -> None:
            kept = set(map(document.message_id, prices.collections.dead.find()))
            assert kept | set(map(ObjectId, sent(sink))) == set(ids), "something is lost"
            admin(prices, sink).requeue(Selection())
            run_once(reader(prices, sink))
            assert list(dict.fromkeys(sent(sink))) == list(map(str, ids))
            if is_exact(sink):
                assert len(sent(sink)) == len(ids)

        return work, check

    assert crashes_at_every_step(crashing, kind, scene) > 8


@KINDS
def test_a_crash_at_any_step_of_discarding_leaves_the_key_parked_or_sent(
    outboxes: Callable[[], Outbox], crashing: Crashing, kind: Kind
) -> None:
    def scene() -> tuple[Callable[[], object], Callable[[], None]]:
        prices, sink = outboxes(), kind()
        ids = put(prices, "a", "a", "a")
        refuse(sink, 1)
        run_once(reader(prices, sink))
        letters = admin(prices, sink)

        def check() -> None:
            run_once(reader(prices, sink))
            assert (states(prices, reader_of(sink)), first_seqs(sink, "a")) in (
                ({1: "dead", 2: "parked", 3: "parked"}, []), ({}, [2, 3]),
            )  # fmt: skip

        return lambda: letters.discard(Selection(id=ids[0])), check

    assert crashes_at_every_step(crashing, kind, scene) in (3, 4)


KEYS = st.sampled_from(["a", "a", "b", None])  # few keys, so that their fates meet
ACTS = st.one_of(
    st.tuples(st.just("put"), st.lists(st.tuples(KEYS, st.booleans()), min_size=3, max_size=6)),
    st.tuples(st.just("cure"), st.sampled_from(["a", "b"])),
    st.tuples(st.just("requeue"), st.sampled_from(["a", "all"])),
    st.tuples(st.just("discard"), st.sampled_from(["a", "b"])),
)
CRASHES = st.none() | st.integers(0, 25)


@KINDS
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(story=st.lists(st.tuples(ACTS, CRASHES), min_size=3, max_size=7))
def test_whatever_happens_nothing_is_lost_and_each_key_keeps_its_order(
    outboxes: Callable[[], Outbox],
    crashing: Crashing,
    kind: Kind,
    story: list[tuple[tuple[str, Any], int | None]],
) -> None:
    prices, sink = outboxes(), kind()
    letters = admin(prices, sink)
    keys: dict[int, str | None] = {}
    poison: set[int] = set()
    discarded: set[int] = set()

    def act(name: str, what: Any) -> None:
        nonlocal poison
        if name == "put":
            first = len(keys) + 1
            put(prices, *(key for key, _ in what))
            keys.update(enumerate((key for key, _ in what), start=first))
            poison |= {seq for seq, (_, bad) in enumerate(what, start=first) if bad}
        elif name == "cure":
            poison -= {seq for seq, key in keys.items() if key == what}
        elif name == "requeue":
            letters.requeue(Selection(key=None if what == "all" else what))
        else:
            before = set(states(prices, reader_of(sink)))
            letters.discard(Selection(key=what))
            discarded.update(before - set(states(prices, reader_of(sink))))

    for (name, what), crash in story:
        act(name, what)
        refuse(sink, *poison)
        if crash is not None:
            crashing.at(crash, lambda: run_once(reader(prices, sink)))
            check_nothing_lost(prices, sink, discarded)
        else:
            run_once(reader(prices, sink))
            check_nothing_lost(prices, sink, discarded)

    refuse(sink)
    for _ in range(2):  # what was already dead, and what the first run still finds dead
        run_once(reader(prices, sink))
        letters.requeue(Selection())
    run_once(reader(prices, sink))

    check_nothing_lost(prices, sink, discarded)
    assert states(prices, reader_of(sink)) == {}
    assert {seq for _, seq in arrived(sink)} | discarded == set(keys)
    for key in "ab":
        seqs = first_seqs(sink, key)
        assert seqs == sorted(seqs)
