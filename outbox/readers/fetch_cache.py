"""What one of this process's readers got from the server, for the others that come to the same place."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future

from outbox.log.batch import Batch

KEPT_BYTES = 8 << 20

Place = tuple[bytes, int]
"""Which log, by its UUID, and the seq that is to be read next."""


class FetchCache:
    """Reads of the log that several readers of this process share. Thread-safe.

    Only what the majority has comes in here: the log has it for good, or has rolled it over. A process with eight
    shares is half as fast as one with one share; when each share read for itself, it was a quarter (measured).
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._readers = 0
        self._reads: dict[Place, Future[Sequence[Batch]]] = {}
        self._bytes = 0

    def enter(self) -> None:
        """One reader more."""
        with self._lock:
            self._readers += 1

    def leave(self) -> None:
        """One reader less. Nothing is kept for a single one."""
        with self._lock:
            self._readers -= 1
            if self._readers < 2:
                self._clear()

    def forget(self) -> None:
        """The log may have become another, even under the same UUID."""
        with self._lock:
            self._clear()

    def _clear(self) -> None:
        self._reads.clear()
        self._bytes = 0

    def read(self, place: Place, fetch: Callable[[], Sequence[Batch]]) -> Sequence[Batch]:
        """What `fetch` returns, or what it gave another reader at this place; raises what it does."""
        own: Future[Sequence[Batch]] = Future()
        with self._lock:
            shared = self._reads.setdefault(place, own) if self._readers > 1 else own
        if shared is own:
            return self._fetch(place, own, fetch)
        # Nothing found is not shared: the other may have asked before there was what this reader was woken for.
        return shared.result() or fetch()

    def _fetch(
        self, place: Place, own: Future[Sequence[Batch]], fetch: Callable[[], Sequence[Batch]]
    ) -> Sequence[Batch]:
        found: Sequence[Batch] = ()
        try:
            found = fetch()
        finally:
            with self._lock:
                own.set_result(found)
                if self._reads.get(place) is own:
                    self._keep(place, found)
        return found

    def _keep(self, place: Place, found: Sequence[Batch]) -> None:
        if not found:
            del self._reads[place]
            return
        self._bytes += _size(found)
        for old, read in list(self._reads.items()):
            if self._bytes > KEPT_BYTES and old != place and read.done():
                self._bytes -= _size(self._reads.pop(old).result())


def _size(batches: Sequence[Batch]) -> int:
    return sum(len(each.raw) for each in batches)
