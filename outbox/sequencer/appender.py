"""The appender: writes numbered messages to the log, as long as the log is as it left it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor
from typing import Protocol

import pymongo.errors
from bson import ObjectId, Timestamp
from pymongo.client_session import ClientSession

from outbox.dead_letters.refused import dead_letter
from outbox.errors import LeaseLost, OutboxError
from outbox.log import batch
from outbox.log.batch import Batch
from outbox.log.log import Log
from outbox.log.retention import Hold, Retention
from outbox.mongo.calls import time_limit
from outbox.mongo.collections import Collections
from outbox.mongo.lease import Lease
from outbox.sequencer import cleanup, packing
from outbox.sequencer.cleanup import StagingCleanup
from outbox.sequencer.packing import Packed
from outbox.staging import document as staging
from outbox.staging.document import Staged

APPEND_BYTES = 16 << 20
_FENCED = 121  # DocumentValidationFailure
_DUPLICATE = 11000
# What the log says of a document it will never take, whoever sends it and however often: deeper than 180 levels
# (15, Overflow), or larger than 16 MiB (2, BadValue; 10334, BSONObjectTooLarge).
_REFUSED = frozenset({2, 15, 10334})


class TakeoverRequired(OutboxError):
    """The sequencer no longer knows what the log holds: it must take over again, if only from itself."""


class AppendListener(Protocol):
    """Hears what this process appends; outbox.readers.head.Head does, for the readers of the process."""

    def began(self, fence: int, next_seq: int) -> None:
        """Called when this process becomes the one that appends; the next record will have `next_seq`."""

    def appended(self, batches: Sequence[Batch], session: ClientSession) -> None:
        """Called with what was appended in `session`, when a majority of the servers has it."""

    def ended(self) -> None:
        """Called when this process stops being the one that appends, or can no longer be sure that it is."""


class NobodyListens(AppendListener):
    """Hears nothing: nobody reads in this process."""

    def began(self, fence: int, next_seq: int) -> None: ...
    def appended(self, batches: Sequence[Batch], session: ClientSession) -> None: ...
    def ended(self) -> None: ...


class Appender:
    """Appends under the sequencer's `lease`. Not thread-safe.

    It knows where the log ends and how much may be appended; after any error that is not known for sure any more, and
    `begin` must be called again.

    took: called with the ids of what was appended, and the server's time of that.
    """

    def __init__(
        self,
        collections: Collections,
        lease: Lease,
        clearing: StagingCleanup,
        threads: Executor,
        listener: AppendListener,
        took: Callable[[Iterable[bytes], Timestamp | None], None],
    ) -> None:
        self._collections = collections
        self._lease = lease
        self._clearing = clearing
        self._threads = threads
        self._listener = listener
        self._took = took
        self._log = Log(collections)
        self.next = 0
        """The seq of the next record."""
        self._floor = 0  # the newest record's `created`, in ms
        self._cap = 0
        self._suspects: set[bytes] = set()
        self.retention = Retention(collections, 0)
        self.held_bytes = 0
        """What is held back for a durable reader's sake: the size of the next batch; 0 while nothing is."""

    def end(self) -> None:
        """Appends no more before the next `begin`."""
        self._listener.ended()

    def measure(self) -> None:
        """Looks at the log's cap. Raises pymongo's errors, and OutboxNotCreated."""
        self._cap = self._log.describe().size

    def begin(self, newest: Batch | None, next_seq: int) -> None:
        """Goes on after `newest`, the last batch of the log, with `next_seq`, under the fence of the lease.

        Raises pymongo's errors.
        """
        self.next = next_seq
        self.retention, self.held_bytes = Retention(self._collections, self._lease.fence), 0
        self.retention.begin(self._lease.document)
        self._floor = 0 if newest is None else newest.heads()[-1][2]
        self._listener.began(self._lease.fence, next_seq)

    def check_fence(self) -> None:
        """Makes sure that the log's validator refuses older fences. Raises TakeoverRequired when it does not."""
        live = self._log.describe()
        self._cap = live.size
        fence = self._lease.fence
        if live.fence < fence:
            raise TakeoverRequired(f"the log's validator lets in fence {live.fence}, below this sequencer's {fence}")

    def ask(self) -> None:
        """Begins to look where the durable readers are, beside what else is to be done before the next append."""
        self.retention.ask(self._threads, self.next - 1)

    def still_held(self) -> Hold | None:
        """Asks once more whether something is held back; before that is fetched, which may be 16 MiB."""
        if not self.held_bytes:
            return None
        spare, hold = self.retention.spare(self.held_bytes, self._cap, self.next - 1)
        if spare >= self.held_bytes:
            self.held_bytes = 0
            return None
        return hold

    def append(self, fresh: list[Staged], time: int) -> tuple[int, Hold | None]:
        """Appends in parts of at most 16 MiB or a quarter of the cap. Says how many are left, and for whose sake.

        time: the server's, in seconds, which no date of a record may pass.

        With two more parts being deleted from staging that is three quarters, and a little that is yet to be deleted
        goes with each: whoever takes over finds them all.
        """
        left, little = len(fresh), min(cleanup.WORTH_BYTES, self._cap // 16)
        for part in packing.parts(fresh, min(APPEND_BYTES, self._cap // 4)):
            first = self.next
            appended, hold = self._append(part, time)
            if appended:
                ids = [each.id for each in part[:appended]]
                size = sum(batch.record_size(each.rest) for each in part[:appended])
                self._clearing.add(first, ids, size, little)
                left -= appended
            if hold is not None:
                return left, hold
        return 0, None

    def _append(self, fresh: list[Staged], time: int) -> tuple[int, Hold | None]:
        """Appends as many as may be without a durable reader's loss, the first ones first; says how many."""
        created = packing.dates(fresh, self._floor, time)
        undeleted = self._clearing.undeleted(self.next)
        packed = packing.pack(fresh, created, self.next, self._lease.fence, undeleted, self._suspects)
        hold = self._hold_back(packed)
        if not packed:
            return 0, hold
        self._lease.check()
        self.retention.look_ahead(self._threads, self.next - 1)
        try:
            with time_limit(), self._collections.client.start_session() as session:
                self._collections.log.insert_many([each.document for each in packed], session=session)
        except pymongo.errors.BulkWriteError as error:
            for refusal in error.details["writeErrors"]:
                self._refused(packed[refusal["index"]].members, refusal["code"], refusal["errmsg"])
            raise
        self.retention.landed()
        self._listener.appended([each.batch for each in packed], session)
        appended = packed[-1].batch.last + 1 - self.next
        self._took((each.id for each in fresh[:appended]), session.operation_time)
        self.next += appended
        self._floor = created[appended - 1]
        self._suspects.clear()
        return appended, hold

    def _hold_back(self, packed: list[Packed]) -> Hold | None:
        """Cuts off the batches that would push a durable reader's next record over the edge of the log."""
        sizes = [len(each.batch.raw) for each in packed]
        spare, slowest = self.retention.spare(sum(sizes), self._cap, self.next - 1)
        for index, size in enumerate(sizes):
            if size > spare:
                del packed[index:]
                self.held_bytes = size
                return slowest
            spare -= size
            self.retention.spend(size)
        return None

    def _refused(self, members: list[Staged], code: int, reason: str) -> None:
        """The log refused this batch. Says why it must be doubted; buries a message that the log will never take."""
        if code == _FENCED:
            raise LeaseLost(f"a newer sequencer has fenced the log against fence {self._lease.fence}")
        if code == _DUPLICATE:
            raise TakeoverRequired("another sequencer appended the same number")
        if code in _REFUSED and len(members) > 1:
            self._suspects.update(each.id for each in members)
            raise TakeoverRequired(f"the log refuses one of {len(members)} messages ({reason}); each is tried alone")
        if code in _REFUSED:
            dead_letter(self._collections, staging.document(members[0]), code, reason)
            raise TakeoverRequired(f"the log refuses message {ObjectId(members[0].id)}; it is dead-lettered now")
