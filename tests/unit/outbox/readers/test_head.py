"""The head wakes the readers of a process, and lets none of them read what is older than what woke it."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

import pytest
from bson import Timestamp
from pymongo.client_session import ClientSession

from outbox.log.batch import Batch
from outbox.readers.head import Head

ALL = 1 << 30
LONG = 30.0


class Session:
    """What a head needs of a session; knows what it was advanced to."""

    def __init__(self, operation_time: Timestamp | None = None, cluster_time: Mapping[str, Any] | None = None) -> None:
        self.operation_time = operation_time
        self.cluster_time = cluster_time
        self.advanced: list[object] = []

    def advance_cluster_time(self, time: Mapping[str, Any]) -> None:
        self.advanced.append(time)

    def advance_operation_time(self, time: Timestamp) -> None:
        self.advanced.append(time)


def session(increment: int = 1) -> Any:
    """A session that has seen something."""
    return Session(Timestamp(1_700_000_000, increment), {"clusterTime": Timestamp(1_700_000_000, increment)})


def advanced(head: Head) -> list[object]:
    """What a session of a reader's is advanced to."""
    reading = Session()
    head.advance(cast("ClientSession", reading))
    return reading.advanced


@pytest.fixture
def head() -> Head:
    """One whose tail is open: readers sleep until they are woken."""
    head = Head()
    head.broken(is_followed=True)
    return head


def test_a_log_that_has_grown_since_the_last_read_wakes_at_once(head: Head) -> None:
    rings = head.rings
    head.grown(1, session())

    assert head.wait(rings, LONG)


def test_nothing_new_is_waited_for_as_long_as_was_asked(head: Head) -> None:
    assert not head.wait(head.rings, 0.001)


def test_all_that_wait_are_woken(head: Head) -> None:
    rings = head.rings
    with ThreadPoolExecutor(3) as threads:
        waiting = [threads.submit(head.wait, rings, LONG) for _ in range(3)]
        head.grown(1, session())

        assert [each.result(30) for each in waiting] == [True] * 3


def test_a_reader_that_is_stopped_wakes_up(head: Head) -> None:
    stop = threading.Event()
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(head.wait, head.rings, LONG, stop)
        stop.set()
        head.wake()
        waiting.result(30)


def test_who_is_stopped_already_does_not_wait(head: Head) -> None:
    stop = threading.Event()
    stop.set()

    assert head.wait(head.rings, LONG, stop)


def test_while_no_cursor_is_open_readers_look_for_themselves_soon() -> None:
    """Goes red when a reader relies on a tail that sees nothing yet: it would sleep for ten minutes."""
    head = Head()

    assert not head.wait(head.rings, LONG)


def test_it_knows_the_newest_seq_that_was_seen(head: Head) -> None:
    assert head.seq == 0
    head.grown(7, session())

    assert head.seq == 7


def test_what_a_reader_reads_next_happens_after_what_was_seen(head: Head) -> None:
    """Both times: without that of the cluster the server refuses the other."""
    head.grown(7, session(5))

    time = Timestamp(1_700_000_000, 5)
    assert advanced(head) == [{"clusterTime": time}, time]


def test_before_anything_was_seen_a_session_is_left_as_it_is(head: Head) -> None:
    assert advanced(head) == []
    head.grown(7, cast("ClientSession", Session()))
    assert advanced(head) == []


def test_a_cursor_that_ends_or_is_opened_is_a_break_that_wakes(head: Head) -> None:
    head.grown(7, session())
    for is_followed in (False, True):
        rings, breaks = head.rings, head.breaks
        head.broken(is_followed=is_followed)
        assert (head.seq, head.breaks, head.is_followed) == (0, breaks + 1, is_followed)
        assert head.wait(rings, LONG)


def test_at_a_break_what_was_fetched_is_forgotten(head: Head) -> None:
    """The log may be another one, which was restored from a backup."""
    asked: list[int] = []

    def fetch() -> list[Batch]:
        asked.append(1)
        return [Batch(1, 2, 1, 1, b"")]

    for _ in range(2):
        head.fetch_cache.enter()
    head.fetch_cache.read((b"log", 1), fetch)
    head.broken(is_followed=False)
    head.fetch_cache.read((b"log", 1), fetch)

    assert len(asked) == 2


def test_what_this_process_appends_is_there_for_its_readers_and_wakes_them(head: Head) -> None:
    batches = [Batch(4, 5, 1, 4, b""), Batch(6, 6, 1, 4, b"")]
    head.began(1, 4)
    rings = head.rings
    head.appended(batches, session(9))

    assert head.wait(rings, LONG)
    assert head.seq == 6
    assert head.append_cache.since(4, ALL) == batches
    assert advanced(head)[-1] == Timestamp(1_700_000_000, 9)


def test_after_another_process_has_taken_over_the_server_is_asked(head: Head) -> None:
    head.began(1, 4)
    assert head.append_cache.since(4, ALL) == []
    head.ended()

    assert head.append_cache.since(4, ALL) is None
