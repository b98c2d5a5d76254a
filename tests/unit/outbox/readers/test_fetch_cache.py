"""What one reader of a process has fetched is had by the others at the same place, and nothing else is."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
from pymongo.errors import AutoReconnect

from outbox.log.batch import Batch
from outbox.readers.fetch_cache import KEPT_BYTES, FetchCache
from tests.waiting import wait_until

LOG = b"uuid of the log."


class Server:
    """Has one batch of two records at each place, of `weight` bytes; counts how often it is asked."""

    def __init__(self, weight: int = 100) -> None:
        self.weight = weight
        self.asked = 0

    def fetch(self) -> Sequence[Batch]:
        self.asked += 1
        return [Batch(1, 2, 1, 1, bytes(self.weight))]


def _with_readers(count: int) -> FetchCache:
    fetched = FetchCache()
    for _ in range(count):
        fetched.enter()
    return fetched


def test_two_readers_at_one_place_ask_once() -> None:
    fetched, server = _with_readers(2), Server()

    assert fetched.read((LOG, 1), server.fetch) == fetched.read((LOG, 1), server.fetch) != []
    assert server.asked == 1


@pytest.mark.parametrize("other", [(LOG, 3), (b"another log", 1)])
def test_another_place_or_another_log_is_asked_for(other: tuple[bytes, int]) -> None:
    fetched, server = _with_readers(2), Server()
    fetched.read((LOG, 1), server.fetch)
    fetched.read(other, server.fetch)

    assert server.asked == 2


def test_who_comes_while_it_is_being_fetched_waits_for_it() -> None:
    fetched, server, answer = _with_readers(2), Server(), threading.Event()

    def slow() -> Sequence[Batch]:
        answer.wait(30)
        return server.fetch()

    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(fetched.read, (LOG, 1), slow)
        wait_until(lambda: fetched._reads, 30, "the first to ask")
        second = threads.submit(fetched.read, (LOG, 1), slow)
        assert not second.done()
        answer.set()
        assert first.result(30) == second.result(30)

    assert server.asked == 1


def test_that_there_is_nothing_is_each_reader_s_own_to_find_out() -> None:
    """Goes red when a reader that was woken is told what another found before there was anything."""
    fetched, server, answer = _with_readers(2), Server(), threading.Event()

    def nothing_yet() -> Sequence[Batch]:
        answer.wait(30)
        return []

    with ThreadPoolExecutor(2) as threads:
        before = threads.submit(fetched.read, (LOG, 1), nothing_yet)
        wait_until(lambda: fetched._reads, 30, "the first to ask")
        woken = threads.submit(fetched.read, (LOG, 1), server.fetch)
        answer.set()
        assert not before.result(30)
        assert len(woken.result(30)) == 1

    assert len(fetched.read((LOG, 1), server.fetch)) == 1


def test_a_failure_is_only_of_the_reader_that_asked() -> None:
    fetched, server = _with_readers(2), Server()

    def fail() -> Sequence[Batch]:
        raise AutoReconnect("gone")

    with pytest.raises(AutoReconnect):
        fetched.read((LOG, 1), fail)
    assert len(fetched.read((LOG, 1), server.fetch)) == 1


def test_for_a_single_reader_nothing_is_kept() -> None:
    fetched, server = _with_readers(2), Server()
    fetched.read((LOG, 1), server.fetch)
    fetched.leave()
    fetched.read((LOG, 1), server.fetch)
    fetched.enter()
    fetched.read((LOG, 1), server.fetch)

    assert server.asked == 3


def test_a_log_that_may_be_another_is_asked_again() -> None:
    fetched, server = _with_readers(2), Server()
    fetched.read((LOG, 1), server.fetch)
    fetched.forget()
    fetched.read((LOG, 1), server.fetch)

    assert server.asked == 2


def test_what_was_under_way_when_the_log_may_have_become_another_is_not_kept_and_takes_no_room() -> None:
    fetched, server = _with_readers(2), Server(KEPT_BYTES // 2)

    def forgotten_meanwhile() -> Sequence[Batch]:
        fetched.forget()
        return server.fetch()

    fetched.read((LOG, 1), forgotten_meanwhile)
    for seq in (1, 3, 1, 3):
        fetched.read((LOG, seq), server.fetch)

    assert server.asked == 3


def test_what_is_kept_is_bounded_and_the_oldest_goes_first() -> None:
    fetched, server = _with_readers(2), Server(KEPT_BYTES // 4)
    for seq in range(1, 11):
        fetched.read((LOG, seq), server.fetch)
    fetched.read((LOG, 10), server.fetch)
    fetched.read((LOG, 7), server.fetch)
    assert server.asked == 10
    fetched.read((LOG, 1), server.fetch)

    assert server.asked == 11
