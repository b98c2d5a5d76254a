"""What has its time behind it is removed once a day."""

from __future__ import annotations

import threading
from typing import cast

import pytest
from pymongo.errors import AutoReconnect, OperationFailure

from outbox.discarding.daily import AGAIN_SECONDS, DAY_SECONDS, discard_daily
from outbox.discarding.discard import Discard, Kind


class Days(threading.Event):
    """A stop that is set after so many waits, each of which is over at once."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.waits: list[float | None] = []
        self._count = count

    def wait(self, timeout: float | None = None) -> bool:
        self.waits.append(timeout)
        return len(self.waits) == self._count


class Removing:
    """Removes one each time, after what it is to raise first."""

    def __init__(self, *errors: Exception) -> None:
        self.removed = 0
        self._errors = list(errors)

    @property
    def kinds(self) -> list[Kind]:
        return [Kind("letters", lambda: 1, self._remove)]

    def _remove(self) -> int:
        if self._errors:
            raise self._errors.pop(0)
        self.removed += 1
        return 1


def discard(removing: Removing, days: Days) -> None:
    discard_daily(cast(Discard, removing), days)


def test_it_is_removed_at_once_and_then_each_day() -> None:
    removing, days = Removing(), Days(2)
    discard(removing, days)

    assert (removing.removed, days.waits) == (2, [DAY_SECONDS, DAY_SECONDS])


def test_a_server_that_does_not_answer_is_asked_again_soon() -> None:
    removing, days = Removing(AutoReconnect("away")), Days(2)
    discard(removing, days)

    assert (removing.removed, days.waits) == (1, [AGAIN_SECONDS, DAY_SECONDS])


def test_what_does_not_pass_is_raised() -> None:
    with pytest.raises(OperationFailure):
        discard(Removing(OperationFailure("not authorized", 13)), Days(1))
