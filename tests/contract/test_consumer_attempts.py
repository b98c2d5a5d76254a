"""What every face of an outbox promises of what its consumers cannot handle, by one text."""

from __future__ import annotations

from typing import Any

import pytest

from outbox import PoisonMessage, Reject
from outbox.events import Event, Failed
from tests.actors.billing import Fails, billing, caught_up
from tests.actors.faces import Face
from tests.actors.order_service import OrderCancelled, placed


def state_of(face: Face, id: Any) -> tuple[str, str | None]:
    location = face.call(face.outbox.find, id)
    return location.place, location.state


@pytest.mark.parametrize("batch", [None, 1, 3])
def test_what_fails_is_tried_again_before_the_next(face: Face, batch: int | None) -> None:
    face.put(placed(1), placed(2), placed(3))
    fails = Fails(2, times=2)
    consumer = billing(face)
    with face.running(consumer, fails, batch=batch):
        caught_up(face, consumer)

    assert list(dict.fromkeys(fails.seqs)) == [1, 2, 3]
    assert fails.seqs[-2:] == [2, 3]


@pytest.mark.parametrize("batch", [None, 1])
@pytest.mark.parametrize(
    ("policy", "handled", "states"),
    [
        ("park-key", [2, 4], [("dead", "dead"), ("log", None), ("dead", "parked"), ("log", None)]),
        ("dead-letter", [2, 3, 4], [("dead", "dead"), ("log", None), ("log", None), ("log", None)]),
    ],
)
def test_after_the_attempts_the_policy_decides(
    face: Face, policy: Any, handled: list[int], states: list[Any], batch: int | None
) -> None:
    ids = face.put(placed(1, "a"), placed(2, "b"), placed(3, "a"), placed(4, "b"))
    fails, events = Fails(1), list[Event]()
    consumer = billing(face, attempts=3, on_poison=policy, on_event=events.append)
    with face.running(consumer, fails, batch=batch):
        caught_up(face, consumer)

    assert sum(isinstance(event, Failed) for event in events) == 3
    assert list(dict.fromkeys(fails.seqs)) == handled  # a transaction that met another is done again
    assert [state_of(face, id) for id in ids] == states
    [status] = face.call(face.outbox.readers)
    assert (status.dead_letters, status.parked) == (1, policy == "park-key")


def test_a_key_stays_parked_in_the_next_run(face: Face) -> None:
    face.put(placed(1, "a"))
    fails = Fails(1)
    consumer = billing(face, attempts=1)
    with face.running(consumer, fails):
        caught_up(face, consumer)
    face.put(placed(2, "a"), placed(3, "b"))
    with face.running(consumer, fails):
        caught_up(face, consumer)

    assert fails.seqs == [3]


def test_behind_a_dead_letter_it_is_still_given_its_types_alone(face: Face) -> None:
    face.put(placed(1, "a"), OrderCancelled(order_id="b"), placed(3, "b"))
    fails = Fails(1)
    consumer = billing(face, attempts=1, types=["order.placed"])
    with face.running(consumer, fails):
        caught_up(face, consumer)
        face.put(OrderCancelled(order_id="c"), placed(5, "c"))
        caught_up(face, consumer)

    assert (fails.calls, fails.seqs) == (3, [3, 5])


def test_stop_raises_the_poison_and_moves_no_position(face: Face) -> None:
    face.put(placed(1), placed(2))
    fails = Fails(2)
    consumer = billing(face, attempts=2, on_poison="stop")
    with face.running(consumer, fails) as work:
        error = work.fails()

    assert isinstance(error, PoisonMessage)
    assert error.seq == 2
    assert isinstance(error.__cause__, ValueError) or "ValueError" in str(error)
    assert face.call(consumer.position) == 1


@pytest.mark.parametrize("concurrency", [1, 4])
def test_reject_goes_to_the_policy_at_once(face: Face, concurrency: int) -> None:
    [first, _] = face.put(placed(1, "a"), placed(2, "b"))
    fails = Fails(1, error=Reject)
    consumer = billing(face, attempts=None, concurrency=concurrency)
    with face.running(consumer, fails):
        caught_up(face, consumer)

    assert (fails.calls, fails.seqs) == (2, [2])
    assert state_of(face, first) == ("dead", "dead")
