"""Sweeps and changes in any order, with transactions that overlap: each message once, in the order of its key."""

from __future__ import annotations

import threading
from collections import defaultdict
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test
from pymongo.change_stream import CollectionChangeStream
from pymongo.client_session import ClientSession
from pymongo.database import Database
from pymongo.errors import AutoReconnect

from outbox.sequencer.change_stream import ChangeStreamListener
from outbox.sequencer.sequencer import Sequencer
from tests.actors.order_service import new_outbox, placed
from tests.waiting import wait_until

pytestmark = pytest.mark.heavy

Document = dict[str, Any]

KEYS = ["a", "b", "c"]
SLOTS = [0, 1]
LARGE = "x" * (16 << 10)


class Broken:
    """Breaks the stream's next question, when told to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.soon = False
        monkeypatch.setattr("outbox.sequencer.change_stream._AGAIN_SECONDS", 0.01)
        monkeypatch.setattr("outbox.sequencer.change_stream._MOST", 6)
        following = CollectionChangeStream.try_next

        def try_next(stream: CollectionChangeStream[Any]) -> Any:
            if self.soon:
                self.soon = False
                raise AutoReconnect("cut off")
            return following(stream)

        monkeypatch.setattr(CollectionChangeStream, "try_next", try_next)


class Putting(RuleBasedStateMachine):
    """Writers whose transactions overlap, though never on one key, and a sequencer that takes what it likes."""

    def __init__(self, database: Database[Document], broken: Broken) -> None:
        super().__init__()
        database.client.drop_database(database.name)
        self._orders = new_outbox(database, sequence=False)
        self._broken = broken
        self._listener, self._stop = ChangeStreamListener(self._orders.collections.staging, 0.05), threading.Event()
        self._thread = threading.Thread(target=self._listener.run, args=(self._stop,), name="outbox-changes-test")
        self._thread.start()
        self._sequencer = Sequencer(self._orders.collections)
        assert self._sequencer.take_over()
        self._caught_up = False
        self._number = 0
        self._open: dict[int, tuple[ClientSession, list[tuple[str, int]]]] = {}
        self._committed: dict[str, list[int]] = defaultdict(list)

    def _next(self, key: str, note: str) -> Any:
        self._number += 1
        return placed(self._number, key, note=note)

    def _locked(self, key: str, slot: int | None = None) -> bool:
        """A writer begins with a key only after the one before it: else nothing orders the two."""
        return any(each == key for at, (_, puts) in self._open.items() if at != slot for each, _ in puts)

    @rule(key=st.sampled_from(KEYS), note=st.sampled_from(["", "", "", LARGE]))
    def put(self, key: str, note: str) -> None:
        if not self._locked(key):
            self._orders.put(self._next(key, note), standalone=True)
            self._committed[key].append(self._number)

    @rule(slot=st.sampled_from(SLOTS), key=st.sampled_from(KEYS), note=st.sampled_from(["", "", "", LARGE]))
    def put_in_a_transaction(self, slot: int, key: str, note: str) -> None:
        if self._locked(key, slot):
            return
        if slot not in self._open:
            session = self._orders.collections.client.start_session()
            session.start_transaction()
            self._open[slot] = session, []
        session, puts = self._open[slot]
        self._orders.put(self._next(key, note), session=session)
        puts.append((key, self._number))

    @rule(slot=st.sampled_from(SLOTS), commits=st.booleans())
    def end(self, slot: int, *, commits: bool) -> None:
        if slot not in self._open:
            return
        session, puts = self._open.pop(slot)
        with session:
            if commits:
                session.commit_transaction()
                for key, number in puts:
                    self._committed[key].append(number)
            else:
                session.abort_transaction()

    @rule(count=st.integers(1, 12))
    def put_many(self, count: int) -> None:
        key = next((key for key in KEYS if not self._locked(key)), None)
        if key is not None:
            self._orders.put([self._next(key, "") for _ in range(count)], standalone=True)
            self._committed[key] += range(self._number - count + 1, self._number + 1)

    @rule()
    def sweep(self) -> None:
        swept = self._sequencer.sweep()
        self._caught_up = swept.is_last
        if swept.is_last:
            self._listener.follow_from(swept.time)

    @precondition(lambda self: self._caught_up)
    @rule(seconds=st.sampled_from([0.0, 0.05, 0.2]))
    def take(self, seconds: float) -> None:
        changes = self._listener.next_changes(seconds, self._stop.is_set)
        if changes is None:
            self._caught_up = False
        elif changes.documents:
            assert self._sequencer.take(changes).is_last

    @rule()
    def lose_the_stream(self) -> None:
        self._broken.soon = True

    @rule()
    def take_over_again(self) -> None:
        assert self._sequencer.take_over()
        self._caught_up = False

    def teardown(self) -> None:
        try:
            for slot in list(self._open):
                self.end(slot, commits=True)
            self._broken.soon = False
            wait_until(lambda: self._sequencer.sweep().is_last, 30, "all to be taken")
            self._sequencer.release()
            appended: dict[str, list[int]] = defaultdict(list)
            for record in self._orders.read():
                assert record.key is not None
                appended[record.key].append(record.data["total"])
            assert appended == self._committed
        finally:
            self._stop.set()
            self._thread.join(30)
            self._orders.close()


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> Broken:
    return Broken(monkeypatch)


def test_each_message_is_appended_once_in_the_order_of_its_key(database: Database[Document], broken: Broken) -> None:
    run_state_machine_as_test(
        lambda: Putting(database, broken),
        settings=settings(
            max_examples=30,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.explicit, Phase.reuse, Phase.generate],  # to shrink what takes servers takes minutes
        ),
    )
