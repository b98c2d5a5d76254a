"""Handlers that fail as they are told, and what targets of consumers are given."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from typing import Any

from bson import ObjectId

from outbox.clock import Clock
from outbox.consumers.attempts import Attempts
from outbox.consumers.decoding import Delivery
from outbox.consumers.in_turn import Terms
from outbox.events import OnEvent, teller
from outbox.log.record import Record
from outbox.shares.reader_logger import ReaderLogger
from outbox.testing import FakeClock

LOG = ReaderLogger("consumer:billing", "a test")


def records(*keys: str | None) -> list[Delivery]:
    """One of each key, numbered from 1."""
    return [
        (seq, Record(seq, ObjectId().binary, 0, {"type": "t", "key": key, "headers": {}, "data": {}}))
        for seq, key in enumerate(keys, start=1)
    ]


def terms(
    clock: Clock | None = None,
    *,
    attempts: int | None = 10,
    stop: threading.Event | None = None,
    tell: OnEvent | None = None,
) -> Terms:
    """What a target is given; waits between attempts have no jitter."""
    made = partial(Attempts, attempts, LOG, lambda: 1.0, teller(tell))
    return Terms(made, stop or threading.Event(), tell, clock or FakeClock())


def failing(times: dict[int, int], error: Exception | None = None) -> Callable[[Record[Any]], None]:
    """A handler that fails so many times at the record with that seq."""
    left = dict(times)

    def handle(record: Record[Any]) -> None:
        if left.get(record.seq, 0) > 0:
            left[record.seq] -= 1
            raise error or ValueError(f"no {record.seq}")

    return handle
