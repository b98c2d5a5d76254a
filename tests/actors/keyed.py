"""Feeds `by_key` from a subject, with effects that wait until they are let go on."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from reactivex.abc import DisposableBase, ObserverBase
from reactivex.subject import Subject

from outbox import Record
from outbox.operators import by_key
from tests.waiting import wait_until


class Gate:
    """An effect that waits until it is opened, for one record or for all."""

    def __init__(self) -> None:
        self.begun: list[int] = []
        self._opened: dict[int, threading.Event] = defaultdict(threading.Event)
        self._all = threading.Event()

    def __call__(self, each: Record[Any]) -> None:
        self.begun.append(each.seq)
        wait_until(lambda: self._all.is_set() or self._opened[each.seq].is_set(), 30, f"the gate of {each.seq}")

    def has_begun(self, *seqs: int) -> bool:
        """Whether the effects of these have begun, in this order, and of no others."""
        return self.begun == list(seqs)

    def open(self, *seqs: int) -> None:
        for seq in seqs:
            self._opened[seq].set()
        if not seqs:
            self._all.set()


class Seen(ObserverBase[Record[Any]]):
    """An observer that keeps what it is told."""

    def __init__(self) -> None:
        self.seqs: list[int] = []
        self.errors: list[Exception] = []
        self.completed = 0

    def on_next(self, value: Record[Any]) -> None:
        self.seqs.append(value.seq)

    def on_error(self, error: Exception) -> None:
        self.errors.append(error)

    def on_completed(self) -> None:
        self.completed += 1

    def is_over(self) -> bool:
        return bool(self.completed or self.errors)


Fed = Callable[..., tuple[Subject[Record[Any]], Seen, DisposableBase]]


@contextmanager
def feeding() -> Iterator[Fed]:
    """Gives what feeds an effect from a subject; what is still subscribed at the end is disposed of."""
    subscriptions: list[DisposableBase] = []

    def feed(effect: Callable[[Record[Any]], object], concurrency: int = 2) -> Any:
        source, seen = Subject[Record[Any]](), Seen()
        subscription = source.pipe(by_key(concurrency, effect)).subscribe(seen)
        subscriptions.append(subscription)
        return source, seen, subscription

    yield feed
    for each in subscriptions:
        each.dispose()


def threads() -> list[str]:
    return [each.name for each in threading.enumerate() if each.name.startswith("outbox-by-key")]
