"""Measures storing history in an archive and reading it, beside what compressing the same bytes alone takes."""

from __future__ import annotations

import shutil
import threading
from collections import deque
from datetime import UTC, datetime
from functools import cache
from hashlib import sha256
from pathlib import Path

import bson
from bson import Int64

from bench.rig.benchmark import Figures, InTurns, Round, cpu_timed
from bench.rig.stage import Stage
from outbox.archive import Archive
from outbox.archive.archiving import archive_log
from outbox.archive.chunk import Draft
from outbox.archive.formats.compression import blocks, compressor
from outbox.archive.line import Line
from outbox.archive.target import LineEncoder
from outbox.archive.writer import store_chunk
from outbox.log import batch
from outbox.log.batch import MAX_RECORDS, Batch
from outbox.shares.share import Share

COMMON, RARE = "order.placed", "order.cancelled"
_RARE_EACH = 100
_TEXT_BYTES = 54
"""So that a record's fields have 200 bytes of BSON."""
_LOG_BYTES = 8 << 20


@cache
def _batches(count: int) -> list[Batch]:
    """Record batches as the log has them: records with a text, a long and a date; each hundredth of the rare type."""
    made = []
    for first in range(1, count + 1, MAX_RECORDS):
        records = [_record(seq) for seq in range(first, min(first + MAX_RECORDS, count + 1))]
        made.append(batch.parse(batch.pack(first, 1, first, records)))
    return made


def _record(seq: int) -> tuple[bytes, bytes]:
    placed = datetime(2025, 1, 1, 0, 0, seq % 60, tzinfo=UTC)
    note = sha256(seq.to_bytes(8, "big")).hexdigest()[:_TEXT_BYTES]  # which no compressor makes nothing of
    data = {"order_id": f"{seq:08d}", "total": Int64(seq * 7), "placed": placed, "note": note}
    type = COMMON if seq % _RARE_EACH else RARE
    fields = bson.encode({"type": type, "key": str(seq % 1000), "headers": {"tenant": "acme"}, "data": data})
    return batch.record(seq.to_bytes(12, "big"), 1_735_689_600_000 + seq, fields[4:])


def _store(folder: Path, format: str, count: int) -> Archive:
    """Does what an archiver does, but for reading the log and for the lease."""
    archive, encoder, draft = Archive(folder), LineEncoder(format), Draft(format)
    for each in _batches(count):
        lines = _encoded(encoder, each)
        while lines:
            lines = lines[draft.take(lines) :]
            if draft.is_full:
                store_chunk(archive, draft, lambda: None)
                draft = Draft(format)
    if draft.seqs:
        store_chunk(archive, draft, lambda: None)
    return archive


class ArchiveWrite(InTurns):
    """From the log's batches to chunks that count: encoded, packed, synced, read back and checked."""

    def __init__(self, stage: Stage, format: str) -> None:
        self._count = stage.load.messages
        self._folder = stage.scratch / f"write-{format}"
        self._format = format
        self._packed = {"jsonl.gz": "jsonl.gz", "jsonl.zst": "jsonl.zst", "parquet": "jsonl.zst"}.get(format, "jsonl")
        done = {"jsonl.gz": "gzip -3", "jsonl.zst": "zstd -3"}.get(self._packed, "writing")
        self.bare_is = f"{done} of the same lines"
        self._lines = b"".join(
            line for each in _batches(self._count) for _, line, _, _ in _encoded(LineEncoder("jsonl"), each)
        )

    def ours(self) -> Figures:
        shutil.rmtree(self._folder, ignore_errors=True)
        figures = cpu_timed(self._count, lambda: _store(self._folder, self._format, self._count))
        size = sum(entry.bytes for entry in Archive(self._folder).chunks())
        return {**figures, "MiB": size / (1 << 20)}

    def bare(self) -> Figures:
        file, made = self._folder / "bare", compressor(self._packed)
        return cpu_timed(self._count, lambda: file.write_bytes(made.compress(self._lines) + made.flush()))


def _encoded(encoder: LineEncoder, each: Batch) -> list[Line]:
    encoded = encoder.encode_plain(each, Share(1, 1))
    assert encoded is not None
    [(lines, _)] = encoded
    return lines


class ArchiveRead(InTurns):
    """All records of an archive, each as a Record; beside it the same chunks unpacked, and no line looked at."""

    def __init__(self, stage: Stage, format: str) -> None:
        self._count = stage.load.messages
        self._archive = _store(stage.scratch / f"{type(self).__name__}-{format}", format, self._count)
        self.bare_is: str | None = {"jsonl.gz": "gunzip", "jsonl.zst": "zstd -d"}.get(format, "reading the files")
        self._format = format

    def ours(self) -> Figures:
        return cpu_timed(self._count, lambda: deque(self._archive.read(), maxlen=0))

    def bare(self) -> Figures:
        def unpack() -> None:
            for entry in self._archive.chunks():
                stored = self._archive.store.read(self._archive.manifest.path(entry))
                deque(blocks(stored, self._format), maxlen=0)

        return cpu_timed(self._count, unpack)


class ArchiveReadType(ArchiveRead):
    """The records of a type that is one in a hundred, beside reading all: in records that were passed or given."""

    def __init__(self, stage: Stage, format: str) -> None:
        super().__init__(stage, format)
        self.bare_is = "reading all"

    def ours(self) -> Figures:
        return cpu_timed(self._count, lambda: deque(self._archive.read(types=[RARE]), maxlen=0))

    def bare(self) -> Figures:
        return super().ours()


class HistoryRead(InTurns):
    """`read` of an archive and the log as one sequence, beside reading the archive alone."""

    bare_is = "Archive.read"

    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    def round(self) -> Round:
        stage = self._stage
        self._archive = Archive(stage.scratch / "history")
        with stage.outbox(stage.load.messages, _LOG_BYTES) as self._outbox:
            archive_log(self._outbox, self._archive, stop=threading.Event(), once=True)  # from now on the log is held
            while self._outbox.status().staging:
                self._outbox.sequence()
                archive_log(self._outbox, self._archive, stop=threading.Event(), once=True)
            try:
                return super().round()
            finally:
                shutil.rmtree(self._archive.url)

    def ours(self) -> Figures:
        return cpu_timed(
            self._stage.load.messages, lambda: deque(self._outbox.read(0, archive=self._archive), maxlen=0)
        )

    def bare(self) -> Figures:
        return cpu_timed(self._stage.load.messages, lambda: deque(self._archive.read(), maxlen=0))
