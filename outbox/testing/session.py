"""A session in memory, whose transactions commit or abort what was put into outboxes in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, TypeVar

T = TypeVar("T")


class MemorySession:
    """Stands in for a ClientSession: what is put into a MemoryOutbox in its transaction is there once that commits.

    It has the calls of pymongo that a service makes: `start_transaction`, `commit_transaction`, `abort_transaction`,
    `with_transaction`, `in_transaction`, and `with`. It is no session for a collection on a server. Not thread-safe.
    """

    def __init__(self) -> None:
        self.in_transaction = False
        """Whether a transaction is open."""
        self.has_ended = False
        self._at_commit: list[Callable[[], object]] = []
        self._uncommitted: dict[object, dict[str, bytes | None]] = {}

    def start_transaction(self, *_: object, **__: object) -> AbstractContextManager[None]:
        """Begins a transaction. As a `with` it is committed at the end, or aborted by what is raised inside."""
        if self.in_transaction:
            raise RuntimeError("a transaction is in progress already: commit or abort it first")
        self.in_transaction = True
        return self._ended()

    @contextmanager
    def _ended(self) -> Iterator[None]:
        try:
            yield
        except BaseException:
            if self.in_transaction:
                self.abort_transaction()
            raise
        if self.in_transaction:
            self.commit_transaction()

    def commit_transaction(self) -> None:
        """Does what waits for it, in order."""
        done = self._end()
        for act in done:
            act()

    def abort_transaction(self) -> None:
        """Leaves undone what waits for a commit."""
        self._end()

    def _end(self) -> list[Callable[[], object]]:
        if not self.in_transaction:
            raise RuntimeError("no transaction is in progress: start one first")
        self.in_transaction = False
        done, self._at_commit, self._uncommitted = self._at_commit, [], {}
        return done

    def with_transaction(self, callback: Callable[[Any], T], **_: object) -> T:
        """Calls it with this session in a transaction, once, and returns what it returns."""
        with self.start_transaction():
            return callback(self)

    def at_commit(self, act: Callable[[], object]) -> None:
        """Has it done when the open transaction commits."""
        self._at_commit.append(act)

    def uncommitted(self, outbox: object) -> dict[str, bytes | None]:
        """Returns what the open transaction says of the compaction ids of this outbox; for it to add to."""
        return self._uncommitted.setdefault(outbox, {})

    def end_session(self) -> None:
        """Aborts an open transaction."""
        if self.in_transaction:
            self.abort_transaction()
        self.has_ended = True

    def __enter__(self) -> MemorySession:
        return self

    def __exit__(self, *_: object) -> None:
        self.end_session()
