"""The threads of the heartbeat: one for all outboxes of a process, more while beats take long, none without a lease."""

from __future__ import annotations

import gc
import threading
from collections.abc import Sequence
from typing import Any

import pytest
from pymongo.collection import Collection
from pymongo.database import Database

from outbox.clock import Clock
from outbox.mongo import heartbeat
from outbox.mongo.collections import Collections
from outbox.mongo.heartbeat import Heartbeat
from outbox.mongo.lease import Lease, read_lease
from tests.waiting import wait_until

pytestmark = pytest.mark.oldest_server

Document = dict[str, Any]


@pytest.fixture
def collections(database: Database[Document]) -> Collections:
    return Collections(database, "outbox")


def beats(collections: Collections, role: str) -> int:
    return int((read_lease(collections.leases, role) or {"beat": 0})["beat"])


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "outbox-heartbeat"]


def test_one_thread_beats_for_all_that_is_held_and_ends_with_the_last(collections: Collections) -> None:
    first, second = (collections.lease(role, seconds=0.3) for role in ("sequencer", "relay:kafka"))
    assert first.acquire()
    assert second.acquire()
    wait_until(lambda: min(beats(collections, role) for role in ("sequencer", "relay:kafka")) >= 5, 30, "beats")
    assert len(threads()) == 1
    first.release()
    second.release()
    wait_until(lambda: not threads(), 30, "the end of the thread")
    ended = beats(collections, "sequencer")
    assert first.acquire()
    wait_until(lambda: beats(collections, "sequencer") > ended + 2, 30, "a new thread to beat")
    first.release()


def test_a_lease_that_nobody_refers_to_any_more_is_not_beaten_for(collections: Collections) -> None:
    lease = collections.lease("relay:kafka", seconds=0.3)
    assert lease.acquire()
    wait_until(lambda: beats(collections, "relay:kafka") >= 3, 30, "beats")
    del lease
    gc.collect()

    wait_until(lambda: not threads(), 30, "the end of the thread")
    assert Lease(collections.leases, "relay:kafka", seconds=0.3).acquire_if_idle()


def test_without_a_thread_the_lease_is_not_had_and_it_can_be_tried_again(
    collections: Collections, monkeypatch: pytest.MonkeyPatch
) -> None:
    lease = collections.lease("relay:kafka")

    def none(_: object) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", none)
        with pytest.raises(RuntimeError):
            lease.acquire()

    assert lease.acquire()
    assert threads()
    lease.release()


def test_a_beat_that_takes_long_holds_up_no_other_outbox(
    database: Database[Document], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Goes red when one thread alone beats for all: the other lease would be lost meanwhile."""
    outboxes = [Collections(database, name) for name in ("slow", "outbox")]
    freed, hangs, beat = threading.Event(), threading.Event(), heartbeat.beat

    def slow(leases: Collection[Document], holdings: Sequence[heartbeat.Holding], clock: Clock) -> None:
        if leases.name == "slow.leases":
            hangs.set()
            freed.wait(60)
        beat(leases, holdings, clock)

    monkeypatch.setattr(heartbeat, "beat", slow)
    leases = [each.lease("sequencer", seconds=0.3) for each in outboxes]
    for lease in leases:
        assert lease.acquire()
    assert hangs.wait(30)
    before = beats(outboxes[1], "sequencer")
    wait_until(lambda: beats(outboxes[1], "sequencer") > before + 3, 30, "the other's beats")
    freed.set()

    for lease in leases:
        lease.release()
    wait_until(lambda: not threads(), 60, "the end of the threads")


def test_an_outbox_that_is_made_meanwhile_does_not_disturb_it(
    collections: Collections, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Goes red when one is added while a thread looks through them: it ended, and all leases of the process with it."""
    left, made = Heartbeat.left, list[Heartbeat]()

    def meanwhile(self: Heartbeat) -> float:
        other = threading.Thread(target=lambda: made.append(Heartbeat(collections.leases)), daemon=True)
        if not made:
            other.start()
            other.join(0.2)
        return left(self)

    monkeypatch.setattr(Heartbeat, "left", meanwhile)
    lease = collections.lease("sequencer", seconds=0.3)
    assert lease.acquire()

    wait_until(lambda: made and beats(collections, "sequencer") > 3, 30, "beats")
    assert "failed" not in caplog.text
    lease.release()


def test_it_beats_on_after_what_nobody_foresaw(
    collections: Collections, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Goes red when the thread ends with it: no lease of the process would be renewed any more."""
    fails = iter([MemoryError("no more")])
    works = Heartbeat.beat_for_all

    def failing(self: Heartbeat) -> None:
        if error := next(fails, None):
            raise error
        works(self)

    monkeypatch.setattr(Heartbeat, "beat_for_all", failing)
    lease = collections.lease("sequencer", seconds=0.3)
    assert lease.acquire()

    wait_until(lambda: beats(collections, "sequencer") > 3, 30, "beats")
    assert "a thread that beats for leases failed, and goes on" in caplog.text
    lease.release()


def test_a_forked_process_beats_also_for_what_its_parent_was_beating_for(collections: Collections) -> None:
    """Goes red when it takes over that somebody is at it."""
    parents = Heartbeat(collections.leases)
    parents.is_beating = True

    parents._forget()

    assert not parents.is_beating
