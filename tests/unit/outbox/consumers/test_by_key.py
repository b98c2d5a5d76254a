"""Handling records of different keys side by side: order, concurrency, failures, and the end."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outbox.clock import SystemClock
from outbox.consumers.by_key import ByKey
from outbox.consumers.in_turn import Handle
from outbox.consumers.waiting import WINDOW
from outbox.errors import DeliveryFailed, Verdict
from outbox.log.record import Record
from tests.doubles.handlers import failing, records, terms
from tests.waiting import wait_until


class Scene:
    """A target and what it has acknowledged."""

    def __init__(self, handle: Handle, concurrency: int = 4, **options: object) -> None:
        self.acknowledged: list[int] = []
        self.target = ByKey(handle, concurrency, terms(SystemClock(), **options), "billing")  # type: ignore[arg-type]  # of terms
        self.target.open(self.acknowledged.append)

    def polls_until(self, condition: Callable[[], bool]) -> None:
        def polled() -> bool:
            self.target.poll(0.01)
            return condition()

        wait_until(polled, 20)


class Gate:
    """A handler that waits to be let go, and counts who waits."""

    def __init__(self) -> None:
        self.inside: list[int] = []
        self.opened = threading.Event()

    def __call__(self, record: Record[object]) -> None:
        self.inside.append(record.seq)
        assert self.opened.wait(20)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.sampled_from(["a", "b", "c", None]), max_size=30), st.integers(1, 4))
def test_each_key_is_handled_in_order_and_all_are_acknowledged(keys: list[str | None], concurrency: int) -> None:
    handled: dict[str | None, list[int]] = defaultdict(list)
    scene = Scene(lambda record: handled[record.key].append(record.seq), concurrency)

    assert scene.target.send(records(*keys)) == len(keys)
    scene.polls_until(lambda: len(scene.acknowledged) == len(keys))

    assert sorted(scene.acknowledged) == list(range(1, len(keys) + 1))
    for key in "abc":
        assert handled[key] == sorted(handled[key])
    scene.target.close()


def test_different_keys_are_handled_side_by_side_and_no_more_than_allowed() -> None:
    gate = Gate()
    scene = Scene(gate, concurrency=2)
    scene.target.send(records("a", "b", "c"))
    wait_until(lambda: len(gate.inside) == 2, 20)
    scene.target.poll(0)
    assert sorted(gate.inside) == [1, 2]

    gate.opened.set()
    scene.polls_until(lambda: len(scene.acknowledged) == 3)


def test_two_of_one_key_are_never_handled_at_once() -> None:
    gate = Gate()
    scene = Scene(gate)
    scene.target.send(records("a", "a", "b"))
    wait_until(lambda: len(gate.inside) == 2, 20)
    assert sorted(gate.inside) == [1, 3]

    gate.opened.set()
    scene.polls_until(lambda: len(scene.acknowledged) == 3)


def test_those_without_a_key_wait_for_nobody() -> None:
    gate = Gate()
    scene = Scene(gate)

    scene.target.send(records(None, None, None))
    wait_until(lambda: len(gate.inside) == 3, 20)

    gate.opened.set()
    scene.polls_until(lambda: len(scene.acknowledged) == 3)


def test_a_key_that_fails_waits_and_the_others_go_on() -> None:
    scene = Scene(failing({1: 5}))
    scene.target.send(records("a", "b", "a", "c"))

    scene.polls_until(lambda: {2, 4} <= set(scene.acknowledged))
    assert 1 not in scene.acknowledged
    scene.polls_until(lambda: len(scene.acknowledged) == 4)

    assert scene.acknowledged.index(1) < scene.acknowledged.index(3)


def test_after_the_last_attempt_it_gives_the_record_up() -> None:
    scene = Scene(failing({1: 5}), attempts=2)
    scene.target.send(records("a"))

    with pytest.raises(DeliveryFailed) as failed:
        scene.polls_until(lambda: False)

    assert (failed.value.seq, failed.value.verdict) == (1, Verdict.POISON)


def test_what_is_done_when_another_is_given_up_is_acknowledged_all_the_same() -> None:
    scene = Scene(failing({1: 1}), attempts=1)
    scene.target.send(records("a", "b", "c", "d"))

    with pytest.raises(DeliveryFailed):
        scene.polls_until(lambda: False)
    scene.target.close()

    assert 1 not in scene.acknowledged
    assert len(scene.acknowledged) == len(set(scene.acknowledged))


def test_closing_waits_for_what_runs_and_acknowledges_it_but_begins_nothing() -> None:
    gate = Gate()
    scene = Scene(gate, concurrency=1)
    scene.target.send(records("a", "b"))
    wait_until(lambda: gate.inside == [1], 20)
    closing = threading.Thread(target=scene.target.close)
    closing.start()

    gate.opened.set()
    closing.join(20)

    assert (scene.acknowledged, gate.inside) == ([1], [1])


def test_an_interrupted_one_ends_when_what_runs_has() -> None:
    gate = Gate()
    scene = Scene(gate, concurrency=1)
    scene.target.send(records("a", "b"))
    wait_until(lambda: gate.inside == [1], 20)
    scene.target.interrupt()
    scene.target.poll(0)
    gate.opened.set()

    with pytest.raises(DeliveryFailed, match="handles the rest"):
        scene.polls_until(lambda: False)

    assert (scene.acknowledged, gate.inside) == ([1], [1])


def test_nothing_more_is_begun_once_the_stop_is_set() -> None:
    stop = threading.Event()
    stop.set()
    gate = Gate()
    scene = Scene(gate, stop=stop)

    scene.target.send(records("a"))
    scene.target.poll(0)

    assert gate.inside == []


def test_it_takes_no_more_than_its_window() -> None:
    stop = threading.Event()
    stop.set()
    scene = Scene(print, stop=stop)

    assert scene.target.send(records(*"a" * (WINDOW + 5))) == WINDOW
    assert scene.target.send(records("a")) == 0


def test_what_is_no_exception_is_raised_by_the_poll() -> None:
    def exits(_: object) -> None:
        raise SystemExit(3)

    scene = Scene(exits)
    scene.target.send(records("a"))

    with pytest.raises(SystemExit):
        scene.polls_until(lambda: False)
