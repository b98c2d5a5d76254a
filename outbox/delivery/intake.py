"""Reads from the log what is sent next, and encodes it, up to the first record that cannot be sent."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterator
from typing import Any, Generic, NamedTuple

from outbox.clock import Clock
from outbox.delivery.ports import BatchReader, Encoder, Item, Parking, RecordBatch, Wanted
from outbox.errors import (
    DeliveryFailed,
    DeliveryRefused,
    LeaseLost,
    LogCorrupt,
    OutboxError,
    PoisonMessage,
    Unreachable,
    Verdict,
)
from outbox.events import Fetched, OnEvent, Parked, teller
from outbox.log.batch import Batch
from outbox.log.position import Mark
from outbox.log.record import Record
from outbox.shares.share import ALL, Share

CHUNK = 500
"""The most records between two looks at the acknowledgements, and in a batch: about 5 ms of work. With more, a crash
would repeat more."""
_READ_SECONDS = 0.9  # less than a rest, after which it is due


class Portion(NamedTuple, Generic[Item]):
    """Holds what is sent next: up to CHUNK records, and their marks."""

    outgoing: list[Item]
    marks: list[Mark]
    """The marks of all records that are passed: the sent ones, the parked ones, and the last one if this reader leaves
    it out. `passed` has the seqs of those that are not sent."""
    passed: Collection[int] = ()


class Intake(Generic[Item]):
    """Reads records, leaves out those that are another share's or not wanted, parks those that must wait, and encodes
    the rest.

    Not thread-safe.
    """

    def __init__(
        self,
        reader: BatchReader,
        encoder: Encoder[Item],
        parking: Parking,
        clock: Clock,
        share: Share = ALL,
        wanted: Wanted | None = None,
        tell: OnEvent = teller(None),  # noqa: B008  # immutable
    ) -> None:
        self.halt: Exception | None = None
        """Why there is nothing more to take; None while all is well."""
        self._reader = reader
        self._encoder = encoder
        self._parking = parking
        self._clock = clock
        self._share = share
        self._wanted = wanted
        self._tell = tell
        self._refused: dict[int, DeliveryFailed] = {}
        self._batches: deque[RecordBatch] = deque()
        self._records: list[Record[Any]] = []  # of a batch that had to be decoded
        self._foreign: Mark | None = None  # the last record of that batch, if it is left out
        self._plainly: Iterator[tuple[list[Item], list[Mark]]] | None = None  # of the batch that comes next
        self._read_at: float | None = None

    def take(self) -> Portion[Item] | None:
        """Takes the next records; None when there are none to read, or when something halts it (see `halt`).

        Raises pymongo's errors, and Unreachable when no broker answers for a new topic: then call it again. Raises at
        once, whatever came before: LeaseLost, LetterTaken.
        """
        if not (self._records or self._foreign or self._batches or self._read()):
            return None
        return self._plain() or self._chosen()

    def _read(self) -> bool:
        """Reads if there may be something: the tail said so, the last read had some, or a second has passed."""
        now = self._clock.monotonic()
        if self._read_at is not None and now - self._read_at < _READ_SECONDS:
            return False
        try:
            batches = self._reader.read_batches()
        except LeaseLost:
            raise
        except OutboxError as error:  # HistoryLost, LogReplaced: what came before is delivered and saved first
            self.halt = error
            return False
        self._batches.extend(batches)
        if batches:
            self._tell(Fetched(sum(batch.gives for batch in batches)))
        self._read_at = None if self._batches else now
        return bool(self._batches)

    def _plain(self) -> Portion[Item] | None:
        """Takes what is next of a batch as the encoder gives it, if none of that may have to wait."""
        if self._records or self._foreign:
            return None
        batch = self._batches[0]
        if not isinstance(batch, Batch) or self._refused or not self._parking.is_idle:
            self._plainly = None
            return None
        if self._plainly is None:
            encoded = self._encoder.encode_plain(batch, self._share)
            if encoded is None:
                return None
            self._plainly = iter(encoded)
        try:
            outgoing, marks = next(self._plainly)
        except LogCorrupt:  # what is read now one by one halts there
            self._plainly = None
            return None
        last = marks[-1][0]
        if last == batch.last:
            self._batches.popleft()
            self._plainly = None
        else:  # what is left of it, for when that has to be decoded after all
            self._batches[0] = batch._replace(skip=last + 1 - batch.first)
        return Portion(outgoing, marks, () if outgoing and outgoing[-1][0] == last else (last,))

    def _decode(self) -> bool:
        """Decodes the next batch into records; False if it cannot be decoded."""
        try:
            records = list(self._batches[0].records())
        except OutboxError as corrupt:  # halts as in `_read`
            self.halt = corrupt
            return False
        self._batches.popleft()
        if self._share.is_all and self._wanted is None:
            self._records = records
            return True
        chosen, last = self._share.chosen(records), records[-1]
        self._records = chosen if self._wanted is None else list(filter(self._wanted, chosen))
        if not self._records or self._records[-1] is not last:
            self._foreign = last.seq, last.created_ms, last.id_bytes
        return True

    def _chosen(self) -> Portion[Item] | None:
        if not (self._records or self._foreign or self._decode()):
            return None
        chunk = self._records[:CHUNK]
        parked = self._parking.park(chunk) if chunk else ()
        sendable = [record for record in chunk if record.seq not in parked] if parked else chunk
        refused: Record[Any] | None = None
        if self._refused:
            at = next((at for at, record in enumerate(sendable) if record.seq in self._refused), None)
            if at is not None:
                refused, sendable = sendable[at], sendable[:at]
        outgoing, marks, error = self._encoder.encode(sendable)
        if isinstance(error, Unreachable):
            if not outgoing:
                raise error  # else it is raised when its record comes first
        elif error is not None:
            self.halt = error
        elif refused is not None:
            self.halt = _refusal(refused, self._refused[refused.seq])
        if parked:
            stopped = refused if error is None else sendable[len(outgoing)]
            end = len(chunk) if stopped is None else chunk.index(stopped)
            marks = [(record.seq, record.created_ms, record.id_bytes) for record in chunk[:end]]
        del self._records[: len(marks)]
        aside = [record for record in chunk[: len(marks)] if record.seq in parked] if parked else []
        for record in aside:
            self._tell(Parked(record))
        passed = [record.seq for record in aside]
        if self._foreign is not None and not self._records and self.halt is None:
            marks.append(self._foreign)
            passed.append(self._foreign[0])
            self._foreign = None
        return Portion(outgoing, marks, passed)

    def refuse(self, failed: DeliveryFailed) -> None:
        """Makes the intake halt at a record that failed for good, when it comes to that record again."""
        if failed.seq is not None and failed.verdict is not Verdict.RETRY:
            self._refused[failed.seq] = failed

    def restart(self, position: int) -> None:
        """Goes on from the seq `position`."""
        self._reader.move(position)
        self._batches.clear()
        self._plainly = None
        self._records.clear()
        self._foreign = None
        self.halt = None
        self._read_at = None

    @property
    def offender(self) -> Record[Any]:
        """Returns the record that halts it. Only while `halt` is a PoisonMessage."""
        return self._records[0]

    def skip(self) -> Record[Any]:
        """Leaves the offender out, goes on with the next record, and returns the offender."""
        record = self._records.pop(0)
        self._refused.pop(record.seq, None)
        self.halt = None
        return record

    def wait(self, seconds: float) -> None:
        """Waits until there is more to read; `seconds` at most."""
        if self._reader.wait(seconds):
            self._read_at = None


def _refusal(record: Record[Any], failed: DeliveryFailed) -> PoisonMessage | DeliveryRefused:
    if failed.verdict is Verdict.POISON:
        id, reason, done = str(record.id), failed.reason, failed.done
        return PoisonMessage(record.seq, id, record.type, record.key, "refused", reason, done)
    return DeliveryRefused(f"seq {record.seq} (id {record.id}, type {record.type!r}) was not taken: {failed.reason}")
