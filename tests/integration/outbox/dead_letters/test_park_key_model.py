"""Parked keys against a reference of a few lines: whoever ends between two calls of the driver, the outcome is its."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test
from pymongo.database import Database

from outbox import Outbox
from outbox.dead_letters.admin import Selection
from outbox.dead_letters.document import letter_id, message_id
from relay.testing import MemorySink
from tests.actors.memory_consumer import MemoryConsumer, TransactionalConsumer
from tests.actors.price_service import Receiver, admin, make_anew, new_prices, priced, reader, reader_of, sent
from tests.actors.relay_thread import run_once
from tests.doubles.crashes import Life

pytestmark = pytest.mark.heavy

Document = dict[str, Any]
Key = str | None

CALLS = (
    "find", "find_one", "insert_many", "update_one", "update_many", "delete_many", "distinct", "aggregate",
    "count_documents", "find_one_and_delete",
)  # fmt: skip

STEPS = [(MemorySink, "poll"), (MemorySink, "send"), (MemoryConsumer, "handle"), (TransactionalConsumer, "handle_with")]


class Reference:
    """What park-key promises: a refused message holds its key's later ones behind it; all else is delivered.

    Messages are numbered from 1, over all logs there have been.
    """

    def __init__(self) -> None:
        self.keys: dict[int, Key] = {}
        self.poison: set[int] = set()
        self.held: dict[Key | int, list[int]] = {}
        """By key, what was put aside, in order. Messages without a key stand alone, under their number."""
        self.delivered: list[int] = []
        self.fresh: list[int] = []
        self.released: set[Key | int] = set()

    def line(self, number: int) -> Key | int:
        key = self.keys[number]
        return number if key is None else key

    def relay(self) -> None:
        for line in self.released & self.held.keys():
            numbers = self.held.pop(line)
            for number in numbers:
                self._arrives(number)
        self.released = set()
        for number in self.fresh:
            self._arrives(number)
        self.fresh = []

    def _arrives(self, number: int) -> None:
        line = self.line(number)
        if line in self.held or number in self.poison:
            self.held.setdefault(line, []).append(number)
        else:
            self.delivered.append(number)

    def states(self) -> dict[int, str]:
        held = self.held.values()
        return {number: "parked" if place else "dead" for numbers in held for place, number in enumerate(numbers)}


ends = st.lists(st.integers(0, 12), max_size=2)
"""Before which of its calls the process ends; then the next one, and at last one that lives."""
commands = st.lists(st.integers(1, 5), min_size=1, max_size=2)
"""The same of an operator's command, which takes few."""
some = st.integers(0, 3).map(lambda number: number == 0)
names = st.sampled_from(["a", "a", "a", "b"])  # one whose messages are many


class ParkedKeys(RuleBasedStateMachine):
    def __init__(self, prices: Outbox, life: Life, receiver: Receiver) -> None:
        super().__init__()
        self.prices, self.life = prices, life
        self.receiver = receiver
        self.office = admin(prices, receiver)
        self.reference = Reference()
        self.ids: dict[int, Any] = {}
        """By number."""

    def _run(self) -> None:
        run_once(reader(self.prices, self.receiver))

    @rule(
        messages=st.lists(
            st.tuples(st.sampled_from(["a", "a", "a", "b", None]), some),
            min_size=1,
            max_size=6,
        )
    )
    def put(self, messages: list[tuple[Key, bool]]) -> None:
        documents = [priced(key, price=float("nan") if bad else 1.0) for key, bad in messages]
        self.prices.collections.staging.insert_many(documents)
        self.prices.sequence()
        for document, (key, bad) in zip(documents, messages, strict=True):
            number = len(self.reference.keys) + 1
            self.ids[number] = document["_id"]
            self.reference.keys[number] = key
            self.reference.fresh.append(number)
            if bad:
                self.reference.poison.add(number)

    @rule(ends=ends)
    def deliver(self, ends: list[int]) -> None:
        for call in ends:
            self.life.until(call, self._run)
        self._run()
        self.reference.relay()
        self._compare()

    @precondition(lambda self: self.reference.held)
    @rule(key=names)
    def cure(self, key: str) -> None:
        for number in self.reference.held.get(key, [])[:1]:
            self.reference.poison.discard(number)
            self.prices.collections.dead.update_one(self._letter(number), {"$set": {"data.price": 1.0}})

    def _letter(self, number: int) -> Document:
        return {"_id": letter_id(reader_of(self.receiver), self.ids[number])}

    @precondition(lambda self: self.reference.held)
    @rule()
    def make_anew(self) -> None:
        """The log is dropped and made anew; the letters stay, and its messages get their seqs once more."""
        self.deliver([])
        make_anew(self.prices, reader_of(self.receiver))

    @precondition(lambda self: self.reference.held)
    @rule(key=names, ends=commands, between=st.booleans())
    def requeue(self, key: str, ends: list[int], between: bool) -> None:
        selection = Selection(key=key)
        for call in ends:
            self.life.until(call, lambda: self.office.requeue(selection))
            if between:  # the reader may already do a part of it; what the operator then repeats changes nothing
                self._run()
        self.office.requeue(selection)
        self._run()
        self.reference.released.add(key)
        self.reference.relay()
        self._compare()

    @precondition(lambda self: self.reference.held)
    @rule(key=names, whole=st.booleans(), ends=commands)
    def discard(self, key: str, whole: bool, ends: list[int]) -> None:
        held = self.reference.held.get(key)
        if not held:
            return
        selection = Selection(key=key) if whole else Selection(id=self.ids[held[0]])
        for call in ends:
            self.life.until(call, lambda: self.office.discard(selection))
        self.office.discard(selection)
        del held[: None if whole else 1]
        self.reference.released.add(key)
        if not held:
            del self.reference.held[key]
        self._run()
        self.reference.relay()
        self._compare()

    def _compare(self) -> None:
        numbers = {id: number for number, id in self.ids.items()}
        found = self.prices.collections.dead.find({}, {"state": 1})
        assert {numbers[message_id(each)]: each["state"] for each in found} == self.reference.states()
        by_text = {str(id): number for id, number in numbers.items()}
        first = list(dict.fromkeys(by_text[id] for id in sent(self.receiver)))
        assert sorted(first) == sorted(self.reference.delivered)
        for line in ("a", "b"):
            mine = [number for number in first if self.reference.line(number) == line]
            assert mine == [number for number in self.reference.delivered if self.reference.line(number) == line]


@pytest.fixture
def outboxes(database: Database[Document]) -> Iterator[Callable[[], Outbox]]:
    numbers = itertools.count()
    opened: list[Outbox] = []

    def another() -> Outbox:
        opened.append(new_prices(database, f"outbox{next(numbers)}", capacity="8 MiB", sequence=False))
        return opened[-1]

    yield another
    for each in opened:
        each.close()


@pytest.mark.timeout(600)
@pytest.mark.parametrize(("kind", "examples"), [(MemorySink, 20), (MemoryConsumer, 5), (TransactionalConsumer, 10)])
def test_parked_keys_do_as_the_reference_does(
    outboxes: Callable[[], Outbox],
    monkeypatch: pytest.MonkeyPatch,
    kind: type[MemorySink | MemoryConsumer],
    examples: int,
) -> None:
    """Goes red when messages behind a dead one are not parked, when those behind one that was refused again go on,
    when discarding a dead one does not release what is behind it, and when an operator marks the parked ones first."""
    life = Life(monkeypatch, CALLS, (".dead", ".cursors"), STEPS)

    run_state_machine_as_test(
        lambda: ParkedKeys(outboxes(), life, kind()),
        settings=settings(
            max_examples=examples,
            stateful_step_count=12,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.explicit, Phase.reuse, Phase.generate],  # to shrink what takes servers takes minutes
        ),
    )
