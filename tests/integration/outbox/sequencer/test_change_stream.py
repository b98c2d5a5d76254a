"""The listener brings all that is committed, in order and without a gap, or says that a sweep must find it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import bson
import pytest
from bson import Timestamp
from pymongo.change_stream import CollectionChangeStream
from pymongo.database import Database
from pymongo.errors import AutoReconnect

from outbox import Outbox
from outbox.sequencer import change_stream
from outbox.sequencer.change_stream import ChangeStreamListener
from outbox.testing import FakeClock
from outbox.threads.stop_watch import watching
from tests.actors.command_listener import Commands, watched
from tests.actors.order_service import MESSAGES, new_outbox, placed
from tests.waiting import wait_until

pytestmark = pytest.mark.oldest_server

Document = dict[str, Any]


class Listening:
    """A change stream listener whose thread runs."""

    def __init__(self, orders: Outbox) -> None:
        self._orders = orders
        self.listener, self.stop = ChangeStreamListener(orders.collections.staging), threading.Event()
        self._thread = threading.Thread(target=self.listener.run, args=(self.stop,), name="outbox-changes-test")
        self._thread.start()

    def sweep(self) -> Timestamp:
        """The time of a snapshot: what a sweep would take is not brought any more."""
        reply = self._orders.collections.database.command(
            {"find": "outbox.staging", "readConcern": {"level": "snapshot"}}
        )
        time: Timestamp = reply["cursor"]["atClusterTime"]
        self.listener.follow_from(time)
        return time

    def brings(self, count: int) -> list[int]:
        """The totals of the next messages, at least so many; none instead if a sweep must find them."""
        brought: list[int] = []
        while len(brought) < count:
            changes = self.listener.next_changes(30, self.stop.is_set)
            if changes is None:
                return []
            assert changes.documents, "it was silent for 30 s"
            brought += [bson.decode(each)["data"]["total"] for each in changes.documents]
        return brought

    def is_silent(self) -> bool:
        changes = self.listener.next_changes(0.5, self.stop.is_set)
        return changes is not None and not changes.documents

    def end(self) -> None:
        self.stop.set()
        self._thread.join(30)
        assert not self._thread.is_alive()


@contextmanager
def _listening(orders: Outbox) -> Iterator[Listening]:
    listening = Listening(orders)
    try:
        yield listening
    finally:
        listening.end()


@pytest.fixture
def orders(database: Database[Document]) -> Outbox:
    return new_outbox(database, sequence=False)


@pytest.fixture
def listening(orders: Outbox) -> Iterator[Listening]:
    with _listening(orders) as listening:
        yield listening


@pytest.fixture
def watched_and_listening(mongo_uri: str, orders: Outbox) -> Iterator[tuple[Listening, Commands]]:
    with (
        watched(mongo_uri, orders.collections.database) as (database, commands),
        _listening(Outbox(database, messages=MESSAGES, sequence=False)) as listening,
    ):
        yield listening, commands


def _opened(commands: Commands) -> list[Timestamp]:
    """From when on each stream was to show everything."""
    stages = [each["pipeline"][0] for each in commands.of("aggregate")]
    return [stage["$changeStream"]["startAtOperationTime"] for stage in stages if "$changeStream" in stage]


def test_the_server_waits_until_the_end_of_a_step_so_that_all_streams_wake_together(
    watched_and_listening: tuple[Listening, Commands], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(change_stream, "CLOCK", FakeClock(1000.05))
    listening, commands = watched_and_listening
    listening.sweep()
    wait_until(lambda: len(commands.of("getMore")) >= 2, why="the server to be asked for changes")

    assert {each["maxTimeMS"] for each in commands.of("getMore")} == {150}


def test_it_brings_what_was_committed_since_the_sweep(orders: Outbox, listening: Listening) -> None:
    orders.put(placed(0), standalone=True)
    listening.sweep()
    orders.put(placed(1), standalone=True)
    orders.put(placed(2), standalone=True)

    assert listening.brings(2) == [1, 2]


def test_it_brings_what_is_committed_while_it_is_waited_for(orders: Outbox, listening: Listening) -> None:
    listening.sweep()
    assert listening.is_silent()
    orders.put(placed(1), standalone=True)

    assert listening.brings(1) == [1]


def test_it_brings_one_message_after_another(orders: Outbox, listening: Listening) -> None:
    listening.sweep()
    for n in range(20):
        orders.put(placed(n), standalone=True)
        assert listening.brings(1) == [n]


def test_it_brings_transactions_as_they_are_committed_each_in_the_order_of_its_puts(
    orders: Outbox, listening: Listening
) -> None:
    listening.sweep()
    with orders.collections.client.start_session() as late, late.start_transaction():
        orders.put(placed(3), session=late)
        orders.put([placed(1), placed(2)], standalone=True)
        orders.put([placed(4), placed(5)], session=late)

    assert listening.brings(5) == [1, 2, 3, 4, 5]


def test_it_brings_nothing_of_an_aborted_transaction(orders: Outbox, listening: Listening) -> None:
    listening.sweep()
    with orders.collections.client.start_session() as session:
        session.start_transaction()
        orders.put(placed(1), session=session)
        session.abort_transaction()
    orders.put(placed(2), standalone=True)

    assert listening.brings(1) == [2]


def test_it_does_not_bring_what_a_sweep_took_meanwhile(orders: Outbox, listening: Listening) -> None:
    """Goes red when `follow_from` leaves what was shown as it is: it would be brought, and appended, a second time."""
    listening.sweep()
    for n in range(3):
        orders.put(placed(n), standalone=True)
    assert listening.brings(1)[0] == 0
    orders.put(placed(3), standalone=True)
    wait_until(lambda: listening.listener._pending, 30, "the stream to show what the sweep will take")
    listening.sweep()

    assert listening.is_silent()


def test_what_it_brought_is_brought_again_if_an_earlier_sweep_counts(orders: Outbox, listening: Listening) -> None:
    """As after a failover, whose first snapshot may be older than what the stream has shown."""
    swept = listening.sweep()
    orders.put(placed(1), standalone=True)
    assert listening.brings(1) == [1]
    orders.put(placed(2), standalone=True)
    assert listening.brings(1) == [2]
    listening.listener.follow_from(Timestamp(swept.time, swept.inc))

    assert listening.brings(2) == [1, 2]


def test_it_leaves_a_large_message_to_a_sweep_and_goes_on_after_it(
    orders: Outbox, watched_and_listening: tuple[Listening, Commands]
) -> None:
    """Goes red when it brings what came after the large one: that is to come first."""
    listening, commands = watched_and_listening
    listening.sweep()
    orders.put(placed(1, note="x" * (16 << 10)), standalone=True)
    orders.put(placed(2), standalone=True)
    assert listening.brings(1) == []
    assert listening.brings(1) == [], "it forgot the large one without a sweep"
    wait_until(lambda: listening.listener._shown == 2, 30, "the stream to show the second message, too")
    listening.sweep()
    orders.put(placed(3), standalone=True)

    assert listening.brings(1) == [3]
    assert len(_opened(commands)) == 1


def test_too_many_messages_are_left_to_a_sweep_and_the_stream_alone(
    orders: Outbox, watched_and_listening: tuple[Listening, Commands], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Goes red when the stream is followed all the time: under load that costs more than the sweeps themselves."""
    monkeypatch.setattr("outbox.sequencer.change_stream._MOST", 10)
    listening, commands = watched_and_listening
    listening.sweep()
    orders.put(placed(0), standalone=True)
    assert listening.brings(1) == [0]
    orders.put([placed(n) for n in range(100)], standalone=True)
    wait_until(lambda: listening.listener.next_changes(0, listening.stop.is_set) is None, 30, "it to give up")
    commands.clear()
    orders.put([placed(n) for n in range(100)], standalone=True)
    listening.stop.wait(0.5)
    assert len(commands.of("getMore")) <= 1

    swept = listening.sweep()
    orders.put(placed(1), standalone=True)
    assert listening.brings(1) == [1]
    (anew,) = _opened(commands)
    assert (anew.time, anew.inc) == (swept.time, swept.inc + 1)


def test_changes_that_nobody_takes_are_not_kept_for_ever(
    orders: Outbox, listening: Listening, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("outbox.sequencer.change_stream._MOST", 10)
    listening.sweep()
    for n in range(12):
        orders.put(placed(n), standalone=True)
    wait_until(lambda: listening.listener._since is None, 30, "it to give up")

    assert listening.listener._pending == []
    assert listening.brings(1) == []


def test_a_stop_ends_a_wait_at_once(listening: Listening) -> None:
    listening.sweep()
    threading.Timer(0.1, listening.stop.set).start()
    with watching(listening.stop.is_set, listening.listener.wake):
        changes = listening.listener.next_changes(600, listening.stop.is_set)

    assert changes is not None
    assert changes.documents == []


def test_a_broken_stream_is_opened_anew_at_the_next_sweep(
    orders: Outbox, listening: Listening, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Goes red when it goes on with what it has: what was committed while it was broken would come later, or never."""
    listening.sweep()
    orders.put(placed(0), standalone=True)
    assert listening.brings(1) == [0]

    def refuse(*_: Any, **__: Any) -> None:
        raise AutoReconnect("no change stream today")

    with monkeypatch.context() as patch:
        patch.setattr(CollectionChangeStream, "try_next", refuse)
        wait_until(lambda: "sweeping by the clock" in caplog.text, 30, "the stream to break")
        orders.put(placed(1), standalone=True)
        assert listening.is_silent()
    orders.put(placed(2), standalone=True)
    assert listening.is_silent()
    listening.sweep()
    orders.put(placed(3), standalone=True)

    assert listening.brings(1) == [3]


def test_when_staging_is_made_anew_it_begins_anew(
    orders: Outbox, listening: Listening, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Goes red when the stream that the drop has ended is asked on and on: that took a whole core, and for nothing."""
    listening.sweep()
    orders.put(placed(0), standalone=True)
    assert listening.brings(1) == [0]
    asked, following = [], CollectionChangeStream.try_next

    def counted(stream: CollectionChangeStream[Any]) -> Any:
        asked.append(stream)
        return following(stream)

    monkeypatch.setattr(CollectionChangeStream, "try_next", counted)
    orders.collections.staging.drop()
    wait_until(lambda: listening.listener._since is None, 30, "the end of the stream")
    assert len(asked) < 100
    orders.create()
    listening.sweep()
    orders.put(placed(1), standalone=True)

    assert listening.brings(1) == [1]
