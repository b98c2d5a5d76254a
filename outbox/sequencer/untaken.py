"""What staging holds and the log does not, as one snapshot after the other shows it."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from concurrent.futures import Executor

from bson import Timestamp
from pymongo.errors import OperationFailure

from outbox.mongo.collections import Collections
from outbox.sequencer import snapshot
from outbox.sequencer.cleanup import StagingCleanup
from outbox.sequencer.snapshot import Snapshot

_FEW = 600  # three deletes of what is collected at a low rate
_GONE = frozenset({239, 246})  # SnapshotTooOld, SnapshotUnavailable: there is a newer one


class Untaken:
    """The documents of staging in pages, and which of them were taken already. Not thread-safe.

    What has been taken still shows until its delete is known to all. A primary that was just elected may not know for a
    moment what is committed: a snapshot of before the newest that was taken or deleted shows what is in the log.
    """

    def __init__(self, collections: Collections, clearing: StagingCleanup, threads: Executor) -> None:
        self.time = Timestamp(0, 0)
        """The server's time of the newest that was shown, or brought by the change stream."""
        self._collections = collections
        self._clearing = clearing
        self._threads = threads
        self._snapshot: Snapshot | None = None
        self._records = snapshot.FIRST_PAGE_RECORDS
        self._window: Collection[bytes] = frozenset()
        """What was taken before the snapshot was opened, and may show in it."""
        self._taken: set[bytes] = set()
        """What was taken since."""
        self._known = Timestamp(0, 0)
        """Whatever was taken was there by then."""

    def begin(self, taken: Iterable[bytes], time: Timestamp | None) -> None:
        """Knows nothing but that these are in the log and perhaps not deleted, and all others of `time` are."""
        self.leave()
        self._window, self._taken = frozenset(), set(taken)
        self.time, self._known = Timestamp(0, 0), Timestamp(0, 0) if time is None else time

    def leave(self) -> None:
        """Goes on with a new snapshot."""
        if self._snapshot is not None:
            self._records = self._snapshot.records
            self._snapshot = None

    @property
    def is_done(self) -> bool:
        """The snapshot has nothing more."""
        return self._snapshot is None or self._snapshot.is_done

    @property
    def is_whole(self) -> bool:
        """All that it shows has been given."""
        return self._snapshot is not None and self._snapshot.is_done and self._snapshot.is_whole

    def page(self) -> list[bytes] | None:
        """The next documents of the snapshot, or of a new one. None: the newest there is shows what was taken before.

        Raises pymongo's errors, and what deletes raised.
        """
        if self._snapshot is not None:
            try:
                return self._snapshot.page()
            except OperationFailure as error:
                if error.code not in _GONE:
                    raise
                self.leave()
        self._snapshot = self._opened()
        return None if self._snapshot is None else self._snapshot.page()

    def _opened(self) -> Snapshot | None:
        # What is being deleted would only show again. Waiting for a few takes longer (10 ms each second, at 2,000/s).
        self._clearing.wait_until_at_most(_FEW)
        opened = Snapshot(self._collections, self._threads, self._records)
        if opened.time < max(self._known, self._clearing.time):
            return None
        if self._taken:
            self._window, self._taken = self._clearing.ids | self._taken, set()
        self.time = opened.time
        return opened

    def is_fresh(self, id: bytes) -> bool:
        """Whether a message is not in the log yet."""
        return id not in self._window and id not in self._taken

    def took(self, ids: Iterable[bytes], time: Timestamp | None) -> None:
        """They are in the log, since `time` by the server's clock."""
        self._taken.update(ids)
        if time is not None:
            self._known = max(self._known, time)

    def brought(self, time: Timestamp) -> None:
        """The change stream has brought what was committed up to `time`."""
        self.time, self._known = max(self.time, time), max(self._known, time)
