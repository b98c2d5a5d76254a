"""What tests do with a view of the latest, and with who subscribes to it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from outbox import Outbox, Record
from outbox.latest.view import READER, LatestView
from tests.waiting import wait_until

Document = dict[str, Any]


def number(catalogue: Outbox, *messages: Any) -> None:
    """Puts messages and numbers them, while nobody else does."""
    catalogue.put(list(messages), standalone=True)
    assert catalogue.sequence() == len(messages)


def wait_kept(catalogue: Outbox) -> None:
    """Waits until the view is kept up to the end of the log."""
    view = LatestView(catalogue.collections)
    wait_until(lambda: view.position() == catalogue.log.head(), 30, "the view to be kept")


def keep(catalogue: Outbox) -> None:
    """Keeps the view up to the end of the log, and stops."""
    with catalogue.running():
        wait_kept(catalogue)
    catalogue._feed.join(10)


class StopAt(threading.Event):
    """Is set as soon as the view is kept up to a seq."""

    def __init__(self, catalogue: Outbox, seq: int) -> None:
        super().__init__()
        self._cursors = catalogue.collections.cursors
        self._seq = seq

    def is_set(self) -> bool:
        return super().is_set() or self._cursors.distinct("seq", {"_id": READER}) == [self._seq]


def entries(catalogue: Outbox) -> dict[str, int]:
    """`_id` → seq of what the view has."""
    return {each["_id"]: each["seq"] for each in catalogue.collections.latest.find({"seq": {"$exists": True}})}


class Follower:
    """Subscribes to the latest, and folds what comes into a view of its own."""

    def __init__(self) -> None:
        self.records: list[Record[Any]] = []
        self.errors: list[Exception] = []

    @property
    def seqs(self) -> list[int]:
        return [record.seq for record in self.records]

    def wait_for(self, count: int) -> None:
        wait_until(lambda: len(self.records) >= count or bool(self.errors), 30, f"{count} records")
        assert self.errors == []


@contextmanager
def following(catalogue: Outbox, types: Any = None) -> Iterator[Follower]:
    """A subscriber of the latest, inside the `with`."""
    follower = Follower()
    subscription = catalogue.latest(types).subscribe(follower.records.append, follower.errors.append)
    try:
        yield follower
    finally:
        subscription.dispose()
