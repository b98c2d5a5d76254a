"""`by_key`: effects on several threads, one key in order, bounded, and nothing is lost."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
import reactivex
from hypothesis import given
from hypothesis import strategies as st
from reactivex import operators as ops

from outbox import InvalidArgument, Record
from outbox.operators import by_key
from outbox.operators.keys import EACH
from tests.actors.keyed import Fed, Gate, feeding, threads
from tests.doubles.records import record, records
from tests.waiting import wait_until


@pytest.fixture
def fed() -> Iterator[Fed]:
    with feeding() as feed:
        yield feed


def test_records_of_one_key_are_done_one_after_the_other(fed: Fed) -> None:
    gate = Gate()
    source, seen, _ = fed(gate, 4)
    for each in records(3, "a"):
        source.on_next(each)

    for seq in (1, 2, 3):
        wait_until(partial(gate.has_begun, *range(1, seq + 1)), 30, f"the effect of {seq}")
        assert seen.seqs == list(range(1, seq))
        gate.open(seq)
    wait_until(lambda: seen.seqs == [1, 2, 3], 30, "all of them")


def test_different_keys_are_done_side_by_side_and_passed_on_when_they_are_done(fed: Fed) -> None:
    gate = Gate()
    source, seen, _ = fed(gate, 3)
    for each in (record(1, "a"), record(2, "b"), record(3, "c")):
        source.on_next(each)
    wait_until(lambda: sorted(gate.begun) == [1, 2, 3], 30, "all three")

    gate.open(3)
    wait_until(lambda: seen.seqs == [3], 30, "the third")
    gate.open()
    wait_until(lambda: sorted(seen.seqs) == [1, 2, 3], 30, "all of them")


def test_records_without_a_key_wait_for_nobody(fed: Fed) -> None:
    gate = Gate()
    source, seen, _ = fed(gate, 2)
    for each in records(2, None):
        source.on_next(each)

    wait_until(lambda: sorted(gate.begun) == [1, 2], 30, "both at once")
    gate.open()
    wait_until(lambda: sorted(seen.seqs) == [1, 2], 30, "both")


def test_a_key_that_waits_holds_up_no_other(fed: Fed) -> None:
    gate = Gate()
    source, seen, _ = fed(gate, 2)
    for each in (record(1, "a"), record(2, "a"), record(3, "a"), record(4, "b"), record(5, "b")):
        source.on_next(each)
    gate.open(4, 5)

    wait_until(lambda: seen.seqs == [4, 5], 30, "the other key")
    gate.open()
    wait_until(lambda: seen.seqs == [4, 5, 1, 2, 3], 30, "the rest")


def test_no_more_effects_run_than_it_has_threads(fed: Fed) -> None:
    gate = Gate()
    source, seen, _ = fed(gate, 2)
    for each in records(5, None):
        source.on_next(each)
    wait_until(lambda: len(gate.begun) == 2, 30, "two of them")
    assert len(threads()) == 2

    gate.open()
    wait_until(lambda: len(seen.seqs) == 5, 30, "all of them")
    assert sorted(threads()) == sorted(set(threads()))


@pytest.mark.parametrize("key", ["a", None])
def test_the_source_waits_when_enough_is_taken_in(fed: Fed, key: str | None) -> None:
    """Without that bound a slow effect would gather the whole log in memory."""
    gate, taken = Gate(), []
    source, seen, _ = fed(gate, 2)

    def feed() -> None:
        for each in records(2 * EACH + 5, key):
            source.on_next(each)
            taken.append(each.seq)

    feeder = threading.Thread(target=feed, name="outbox-test-feeder", daemon=True)
    feeder.start()
    wait_until(lambda: len(taken) == 2 * EACH, 30, "as many as are taken in")
    feeder.join(0.2)
    assert len(taken) == 2 * EACH

    gate.open()
    wait_until(lambda: len(seen.seqs) == 2 * EACH + 5, 30, "all of them")


def test_a_subscriber_is_called_by_one_thread_at_a_time() -> None:
    inside, calls = threading.Lock(), []

    def on_next(each: Record[Any]) -> None:
        assert inside.acquire(blocking=False)
        calls.append(each.seq)
        threading.Event().wait(0.001)
        inside.release()

    errors: list[Exception] = []
    reactivex.from_iterable(records(50, None)).pipe(by_key(8, lambda each: None)).subscribe(on_next, errors.append)

    wait_until(lambda: len(calls) == 50 or errors, 30, "all of them")
    assert errors == []


@given(keys=st.lists(st.sampled_from(["a", "b", "c", None]), max_size=60), concurrency=st.integers(1, 5))
def test_every_record_is_done_once_and_each_key_in_order(keys: list[str | None], concurrency: int) -> None:
    done: dict[str | None, list[int]] = defaultdict(list)
    lock = threading.Lock()

    def effect(each: Record[Any]) -> None:
        with lock:
            done[each.key].append(each.seq)

    given = [record(seq, key) for seq, key in enumerate(keys, 1)]
    seen = reactivex.from_iterable(given).pipe(by_key(concurrency, effect), ops.to_list()).run()

    for key in ("a", "b", "c"):
        expected = [each.seq for each in given if each.key == key]
        assert done[key] == expected
        assert [each.seq for each in seen if each.key == key] == expected
    assert sorted(each.seq for each in seen) == [each.seq for each in given]
    assert sorted(done[None]) == [each.seq for each in given if each.key is None]


@pytest.mark.parametrize("concurrency", [0, -1, 1.5, "4", True, None])
def test_a_concurrency_below_1_is_refused_at_the_call(concurrency: Any) -> None:
    with pytest.raises(InvalidArgument, match="concurrency="):
        by_key(concurrency, lambda each: None)


@pytest.mark.parametrize("effect", [None, "handle"])
def test_an_effect_that_cannot_be_called_is_refused_at_the_call(effect: Any) -> None:
    with pytest.raises(InvalidArgument, match="effect="):
        by_key(2, effect)
