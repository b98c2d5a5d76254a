"""`by_key` ends when all that it took in is done with, swallows no error, and leaves no thread."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import reactivex
from reactivex import operators as ops
from reactivex.subject import Subject

from outbox import Record
from outbox.operators import by_key
from outbox.operators.keys import EACH
from tests.actors.keyed import Fed, Gate, feeding, threads
from tests.doubles.records import record, records
from tests.waiting import wait_until


@pytest.fixture
def fed() -> Iterator[Fed]:
    with feeding() as feed:
        yield feed


def test_completion_waits_for_all(fed: Fed) -> None:
    gate = Gate()
    source, seen, _ = fed(gate, 2)
    for each in records(3, "a"):
        source.on_next(each)
    source.on_completed()
    gate.open(1)
    wait_until(lambda: seen.seqs == [1], 30, "the first")
    assert seen.completed == 0

    gate.open()
    wait_until(lambda: seen.completed == 1, 30, "completion")
    assert seen.seqs == [1, 2, 3]
    wait_until(lambda: threads() == [], 30, "no thread is left")


def test_completion_of_nothing_is_passed_on_at_once(fed: Fed) -> None:
    source, seen, _ = fed(Gate())
    source.on_completed()

    assert seen.completed == 1


def test_an_error_of_the_source_waits_for_all(fed: Fed) -> None:
    gate = Gate()
    source, seen, _ = fed(gate)
    source.on_next(record(1))
    source.on_next(record(2))
    source.on_error(ValueError("the source's own"))
    assert seen.errors == []

    gate.open()
    wait_until(lambda: [str(each) for each in seen.errors] == ["the source's own"], 30, "the error")
    assert seen.seqs == [1, 2]


def test_an_effect_that_raises_ends_the_stream_after_those_that_run(fed: Fed) -> None:
    gate = Gate()

    def effect(each: Record[Any]) -> None:
        gate(each)
        if each.seq == 1:
            raise KeyError("no such order")

    source, seen, _ = fed(effect)
    for each in (record(1, "a"), record(2, "b"), record(3, "a"), record(4, "c")):
        source.on_next(each)
    wait_until(lambda: sorted(gate.begun) == [1, 2], 30, "two of them")
    gate.open(1)
    wait_until(lambda: not source.observers, 30, "the source to be left")
    assert seen.errors == []

    gate.open()
    wait_until(seen.is_over, 30, "the end")
    assert (seen.seqs, [type(each) for each in seen.errors], seen.completed) == ([2], [KeyError], 0)
    assert "the effect of by_key at the record with seq 1" in seen.errors[0].__notes__[0]
    assert sorted(gate.begun) == [1, 2], "what had not begun did not begin"
    wait_until(lambda: threads() == [], 30, "no thread is left")


def test_an_effect_that_raises_after_the_source_has_completed_ends_the_stream_with_its_error(fed: Fed) -> None:
    gate = Gate()

    def effect(each: Record[Any]) -> None:
        gate(each)
        raise KeyError("no such order")

    source, seen, _ = fed(effect)
    source.on_next(record(1))
    source.on_completed()
    gate.open()

    wait_until(seen.is_over, 30, "the end")
    assert ([type(each) for each in seen.errors], seen.completed) == ([KeyError], 0)


def test_a_source_that_waits_for_room_is_let_go_when_an_effect_fails(fed: Fed) -> None:
    gate = Gate()

    def effect(each: Record[Any]) -> None:
        gate(each)
        raise KeyError("no such order")

    source, seen, _ = fed(effect, 1)

    def feed() -> None:
        for each in records(EACH + 5, "a"):
            source.on_next(each)

    feeder = threading.Thread(target=feed, name="outbox-test-feeder", daemon=True)
    feeder.start()
    wait_until(lambda: gate.begun == [1], 30, "the first")
    gate.open()

    feeder.join(30)
    assert not feeder.is_alive()
    wait_until(lambda: len(seen.errors) == 1, 30, "the error")
    assert gate.begun == [1]


def test_a_second_effect_that_fails_is_logged(fed: Fed, caplog: pytest.LogCaptureFixture) -> None:
    gate = Gate()

    def effect(each: Record[Any]) -> None:
        gate(each)
        raise KeyError(f"order {each.seq}")

    source, seen, _ = fed(effect)
    source.on_next(record(1, "a"))
    source.on_next(record(2, "b"))
    wait_until(lambda: sorted(gate.begun) == [1, 2], 30, "both")
    with caplog.at_level(logging.ERROR, "outbox"):
        gate.open(1)
        wait_until(lambda: not source.observers, 30, "the first to fail")
        gate.open(2)
        wait_until(lambda: seen.errors, 30, "the end")

    assert str(seen.errors[0]) == "'order 1'"
    assert "order 2" in caplog.text


@pytest.mark.parametrize("error", [ValueError("the subscriber's own"), SystemExit(3)], ids=["error", "exit"])
def test_what_a_subscriber_raises_goes_to_on_error_and_it_is_given_no_more(error: BaseException) -> None:
    errors: list[BaseException] = []
    calls: list[int] = []

    def on_next(each: Record[Any]) -> None:
        calls.append(each.seq)
        raise error

    reactivex.from_iterable(records(20, None)).pipe(by_key(4, lambda each: None)).subscribe(on_next, errors.append)

    wait_until(lambda: errors, 30, "the error")
    assert (errors, len(calls)) == ([error], 1)


def test_what_is_no_record_goes_to_on_error() -> None:
    errors: list[Exception] = []
    source = Subject[Any]()
    source.pipe(by_key(2, lambda each: None)).subscribe(on_error=errors.append)
    source.on_next("text")

    assert [type(each) for each in errors] == [AttributeError]


def test_an_error_that_nobody_handles_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    def fails(each: Record[Any]) -> None:
        raise ValueError("no such order")

    with caplog.at_level(logging.ERROR, "outbox"):
        reactivex.of(record(1)).pipe(by_key(2, fails)).subscribe()
        wait_until(lambda: "has no on_error" in caplog.text, 30, "the log's line")


def test_dispose_begins_no_more_effects_and_leaves_no_thread(fed: Fed) -> None:
    gate = Gate()
    source, seen, subscription = fed(gate, 2)
    for each in records(6, None):
        source.on_next(each)
    wait_until(lambda: len(gate.begun) == 2, 30, "two of them")
    subscription.dispose()
    assert source.observers == []
    gate.open()

    wait_until(lambda: threads() == [], 1.9, "no thread is left, though those of an idle one wait for 2 s")
    assert (len(gate.begun), seen.seqs, seen.completed, seen.errors) == (2, [], 0, [])


def test_dispose_lets_go_a_source_that_waits_for_room(fed: Fed) -> None:
    gate = Gate()
    source, _, subscription = fed(gate, 1)

    def feed() -> None:
        for each in records(EACH + 5):
            source.on_next(each)

    feeder = threading.Thread(target=feed, name="outbox-test-feeder", daemon=True)
    feeder.start()
    wait_until(lambda: gate.begun == [1], 30, "the first")
    subscription.dispose()

    feeder.join(30)
    assert not feeder.is_alive()
    gate.open()


def test_a_subscriber_may_end_the_stream_in_on_next() -> None:
    last = reactivex.from_iterable(records(100, None)).pipe(by_key(4, lambda each: None), ops.take(3)).run()

    assert last is not None
    wait_until(lambda: threads() == [], 30, "no thread is left")
