"""The threads behind the readers of a process live while anybody reads, and no longer."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from pymongo.database import Database

from outbox import Outbox
from outbox.mongo.collections import Collections
from outbox.mongo.lease import read_lease
from outbox.readers.background import BackgroundThreads
from outbox.readers.pool import connection_held
from tests.actors.command_listener import watched
from tests.actors.order_service import Document, new_outbox, placed
from tests.actors.subscriber import threads
from tests.waiting import wait_until


@pytest.fixture
def orders(database: Database[Document]) -> Iterator[Outbox]:
    with new_outbox(database, sequence=False) as outbox:
        yield outbox


@pytest.fixture
def background(orders: Outbox) -> BackgroundThreads:
    return BackgroundThreads(orders.collections, sequencing=True)


def roles() -> list[str]:
    """The tails and sequencers of this process; a sequencer has more threads, which come and go with its work."""
    return sorted(name for name in threads() if name in ("outbox-tail-outbox", "outbox-sequencer-outbox"))


BOTH = ["outbox-sequencer-outbox", "outbox-tail-outbox"]


def owner(orders: Outbox) -> str | None:
    lease = read_lease(orders.collections.leases, "sequencer")
    return None if lease is None else lease["owner"]


def refusing(monkeypatch: pytest.MonkeyPatch, role: str) -> None:
    """No thread can be had for this role."""
    start = threading.Thread.start

    def refuse(thread: threading.Thread) -> None:
        if thread.name.startswith(f"outbox-{role}-"):
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refuse)


def test_they_begin_with_the_first_reader_and_end_after_the_last(background: BackgroundThreads) -> None:
    assert roles() == []
    with background.running():
        assert roles() == BOTH
        with background.running():
            pass
        background.join(0.5)
        assert roles() == BOTH

    wait_until(lambda: threads() == [], 30, "all threads to end")


def test_all_readers_share_one_of_each(background: BackgroundThreads) -> None:
    with background.running() as first, background.running() as second, background.running():
        assert roles() == BOTH
        assert first is second is background.head


def test_they_end_after_an_error_inside_too(background: BackgroundThreads) -> None:
    with pytest.raises(KeyError), background.running():
        raise KeyError

    wait_until(lambda: threads() == [], 30, "all threads to end")


def test_what_is_put_is_numbered_and_the_readers_are_woken(orders: Outbox, background: BackgroundThreads) -> None:
    with background.running() as head:
        rings = head.rings
        orders.put(placed(1), standalone=True)
        wait_until(lambda: orders.log.head() == 1, 30, "the message to be numbered")
        wait_until(lambda: head.rings > rings and head.seq == 1, 30, "the readers to be woken")


def test_what_this_process_numbers_its_readers_need_not_ask_for(orders: Outbox, background: BackgroundThreads) -> None:
    with background.running() as head:
        wait_until(lambda: head.append_cache.since(1, 1 << 20) == [], 30, "the sequencer to begin")
        orders.put(placed(1), standalone=True)
        wait_until(lambda: head.append_cache.since(1, 1 << 20), 30, "what it has appended")


def test_a_process_that_does_not_sequence_has_a_tail_alone(orders: Outbox) -> None:
    with BackgroundThreads(orders.collections, sequencing=False).running() as head:
        assert threads() == ["outbox-tail-outbox"]
        orders.put(placed(1), standalone=True)
        assert owner(orders) is None
        orders.sequence()
        wait_until(lambda: head.seq == 1, 30, "the tail to see what another process has numbered")


def test_a_new_turn_has_a_head_that_knows_nothing_of_the_last_one(background: BackgroundThreads) -> None:
    with background.running() as old:
        pass
    with background.running() as new:
        assert new is background.head
        assert new is not old


def test_every_turn_of_a_process_has_the_same_owner_of_the_lease(orders: Outbox, background: BackgroundThreads) -> None:
    """Goes red when a new turn must wait for the lease of the old one, which may be just ending."""
    owners = []
    for _ in range(2):
        with background.running():
            owners.append(wait_until(lambda: owner(orders), 30, "the lease"))
        wait_until(lambda: owner(orders) is None, 30, "the lease to be free")

    assert owners[0] == owners[1]


def test_the_lease_is_given_back_after_the_last_reader(orders: Outbox, background: BackgroundThreads) -> None:
    with background.running():
        wait_until(lambda: owner(orders), 30, "the lease")

    wait_until(lambda: owner(orders) is None, 30, "the lease to be free")


@pytest.mark.parametrize("role", ["tail", "sequencer"])
def test_when_no_thread_can_be_had_the_reader_is_told_and_none_is_left_behind(
    background: BackgroundThreads, monkeypatch: pytest.MonkeyPatch, role: str
) -> None:
    with monkeypatch.context() as none_left:
        refusing(none_left, role)
        with pytest.raises(RuntimeError, match="can't start"), background.running():
            pytest.fail("there is nothing behind this reader")

    wait_until(lambda: threads() == [], 30, "those that did begin to end")
    with background.running():
        assert roles() == BOTH


def test_a_connection_is_kept_for_them_only_while_they_live(
    mongo_uri: str, orders: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Goes red when it is not given back, at the end or by threads that could not be had."""
    with watched(mongo_uri, orders.collections.database, maxPoolSize=2) as (database, _):
        one, other = (BackgroundThreads(Collections(database, "outbox"), sequencing=False) for _ in range(2))
        with monkeypatch.context() as none_left:
            refusing(none_left, "tail")
            with pytest.raises(RuntimeError), one.running():
                pass
        with one.running(), one.running(), connection_held(database.client, "another") as pause:
            assert pause > 0
        with other.running(), connection_held(database.client, "another") as pause:
            assert pause > 0
        with connection_held(database.client, "another") as pause:
            assert pause == 0
        one.join(30)
        other.join(30)


def test_joining_waits_for_threads_that_were_told_to_stop(background: BackgroundThreads) -> None:
    with background.running():
        pass
    background.join(30)

    assert roles() == []


def test_joining_does_not_wait_while_somebody_reads(background: BackgroundThreads) -> None:
    """It may be the caller: then it would wait for itself."""
    with background.running():
        background.join(100_000)

        assert roles() == BOTH


def test_waking_has_a_waiting_reader_look_whether_it_is_still_wanted(background: BackgroundThreads) -> None:
    stop = threading.Event()
    ended: list[Any] = []
    with background.running() as head:
        wait_until(lambda: head.is_followed, 30, "the tail to be open")
        waiting = threading.Thread(target=lambda: ended.append(head.wait(head.rings, 600, stop)))
        waiting.start()
        stop.set()
        background.wake()
        waiting.join(30)

    assert ended == [True]


def test_while_nobody_reads_there_is_a_head_that_wakes_nobody(background: BackgroundThreads) -> None:
    background.wake()

    assert not background.head.wait(background.head.rings, 0.001)
