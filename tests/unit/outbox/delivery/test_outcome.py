"""The outcomes of a step: each is told from the others, and none can be changed on its way to the loop."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, fields
from typing import Any, get_args

import pytest
from bson import ObjectId

from outbox.delivery.outcome import Failed, Idle, Moved, Outcome, Poisoned, Unavailable, Unsaved, Waiting
from outbox.errors import DeliveryFailed, PoisonMessage, Verdict
from outbox.log.record import Record

ERROR: Any = OSError("away")
FAILED = DeliveryFailed(7, Verdict.RETRY, "the broker is away")
POISON = PoisonMessage(7, "65a000000000000000000001", "t", "k", "refused", "it is too large")
RECORD: Record[Any] = Record(7, ObjectId().binary, 0, {"type": "t", "key": "k", "headers": {}, "data": {}})
ALL = [Moved(), Waiting(), Idle(True), Unavailable(ERROR), Unsaved(ERROR), Failed(FAILED), Poisoned(RECORD, POISON)]


def test_these_are_all_that_a_step_can_come_to() -> None:
    assert [type(each) for each in ALL] == list(get_args(Outcome))


@pytest.mark.parametrize("outcome", ALL, ids=lambda outcome: type(outcome).__name__)
def test_an_outcome_equals_none_of_another_kind(outcome: Outcome) -> None:
    assert [each for each in ALL if each == outcome] == [outcome]


@pytest.mark.parametrize("outcome", [each for each in ALL if fields(each)], ids=lambda outcome: type(outcome).__name__)
def test_an_outcome_cannot_be_changed(outcome: Outcome) -> None:
    with pytest.raises(FrozenInstanceError):
        setattr(outcome, fields(outcome)[0].name, None)


def test_an_idle_log_is_settled_or_has_something_under_way() -> None:
    assert Idle(True) != Idle(False)
