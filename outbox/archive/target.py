"""Gathers lines to chunks, and acknowledges the records of those that stand: the target of a durable reader."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from outbox.archive.archive import Archive
from outbox.archive.chunk import Draft
from outbox.archive.formats.choice import chunk_format
from outbox.archive.line import Line
from outbox.archive.manifest import Entry
from outbox.archive.writer import AnotherWriterError, store_chunk
from outbox.clock import Clock, SystemClock
from outbox.errors import (
    ArchiveDamaged,
    ArchiveUnavailable,
    DeliveryFailed,
    InvalidArchive,
    LogCorrupt,
    OutboxError,
    Verdict,
)
from outbox.log.batch import Batch
from outbox.log.position import Mark
from outbox.log.record import Record
from outbox.mongo.lease import Lease
from outbox.shares.share import Share

MOST_SECONDS = 60.0
Stored = Callable[[Entry], object]


class Chunks:
    """Is a Target, and Interruptible: `poll` stores what was sent once that is a whole chunk, or is old enough.

    once: stores what there is as soon as nothing more comes, and raises ArchiveUnavailable instead of waiting for a
        place that takes nothing. stored: is told of each chunk that counts.
    """

    def __init__(
        self,
        archive: Archive,
        format: str,
        *,
        once: bool,
        stored: Stored,
        clock: Clock | None = None,
        draft: Callable[[str], Draft] = Draft,
    ) -> None:
        self._archive = archive
        self.format = format
        self._once = once
        self._stored = stored
        self._clock = clock or SystemClock()
        self._new = draft
        self._draft: Draft | None = None
        self._since = 0.0
        self._has_come = False
        self._is_ending = False
        self.lease: Lease | None = None
        """Under which it writes; set by whoever takes over."""

    def another(self) -> Chunks:
        raise InvalidArchive("an archive has one writer: shares are not for it")

    def open(self, acknowledged: Callable[[int], object]) -> None:
        self._acknowledged = acknowledged
        self._draft = None
        self._is_ending = False

    def send(self, batch: Sequence[Line]) -> int:
        self._has_come = True
        if self._draft is None:
            self._draft, self._since = self._new(self.format), self._clock.monotonic()
        return self._draft.take(batch)

    def poll(self, seconds: float) -> None:
        """Stores a chunk if there is one to store; else returns at once."""
        has_come, self._has_come = self._has_come, False
        if self._draft is None:
            return
        is_old = self._clock.monotonic() - self._since >= MOST_SECONDS
        if self._draft.is_full or is_old or self._is_ending or (self._once and not has_come):
            self._store(self._draft)
        elif not has_come:
            self._clock.wait(seconds)

    def _store(self, draft: Draft) -> None:
        assert self.lease is not None
        try:
            entry = store_chunk(self._archive, draft, self.lease.check)
        except AnotherWriterError:
            raise DeliveryFailed(None, Verdict.RETRY, f"another process writes {self._archive!r}, too") from None
        except (OSError, ArchiveDamaged) as error:
            raise self.failure(error) from error
        self._draft = None
        for seq in draft.seqs:
            self._acknowledged(seq)
        self._stored(entry)

    def failure(self, error: OSError | ArchiveDamaged) -> OutboxError:
        """Makes the error for a place that does not take, or give, a chunk: one to wait for, unless with `once`."""
        text = f"{self._archive!r} cannot be written: {error}"
        return ArchiveUnavailable(text) if self._once else DeliveryFailed(None, Verdict.RETRY, text)

    def interrupt(self) -> None:
        """See Interruptible: what there is is stored now, for it may be long until this goes on."""
        self._is_ending = True

    def close(self) -> None:
        self._draft = None


class LineEncoder:
    """Is outbox.delivery.ports.Encoder for chunks of a format."""

    def __init__(self, format: str) -> None:
        self._lines = chunk_format(format).lines

    def encode_plain(self, batch: Batch, share: Share) -> list[tuple[list[Line], list[Mark]]] | None:
        """See Encoder."""
        try:
            heads, documents = batch.documents()
        except LogCorrupt:  # which the caller then meets
            return None
        return [(self._lines(heads, documents), [(seq, created, id) for seq, id, created in heads])]

    def encode(self, records: Sequence[Record[object]]) -> tuple[list[Line], list[Mark], OutboxError | None]:
        """See Encoder. Only for records that wait behind dead letters, and an archive puts none aside."""
        raise NotImplementedError
