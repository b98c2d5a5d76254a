"""Reads what comes next while the caller is still at what came before."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future
from typing import Generic, TypeVar

from outbox.threads.workers import Workers

T = TypeVar("T")


class ReadAhead(Generic[T]):
    """Is an iterator over `items`, with one of them read ahead on another thread, and never more. From one thread only.

    Nothing is read ahead before `begin`: who takes one record and ends should not have had two chunks fetched. What
    reading ahead raises is raised where its item would have come.
    """

    def __init__(self, items: Iterator[T]) -> None:
        self._items = items
        self._thread = Workers(1, "outbox-archive-reader")
        self._ahead: Future[T | None] | None = None

    def begin(self) -> None:
        """Begins to read the next item; does nothing when it is being read."""
        if self._ahead is None:
            self._ahead = self._thread.submit(next, self._items, None)

    def __iter__(self) -> ReadAhead[T]:
        return self

    def __next__(self) -> T:
        ahead, self._ahead = self._ahead, None
        found = next(self._items, None) if ahead is None else ahead.result()
        if found is None:
            raise StopIteration
        return found

    def close(self) -> None:
        """Ends the thread as soon as what it reads is there, and does not wait for that."""
        self._thread.shutdown(wait=False)
