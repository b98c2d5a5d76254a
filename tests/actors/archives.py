"""Archives made by hand, without a server."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import bson
from bson import ObjectId

from outbox.archive import Archive
from outbox.archive.chunk import Draft
from outbox.archive.formats.choice import chunk_format
from outbox.archive.line import Line
from outbox.archive.manifest import Entry
from outbox.archive.writer import store_chunk

MINUTE = 60_000
DAY_MS = 1_735_689_600_000  # 2025-01-01


def line(seq: int, format: str = "jsonl", **fields: Any) -> Line:
    """The line of a record that was created `seq` minutes after 2025 began."""
    all_fields = {"type": "order.placed", "key": "42", "headers": {}, "data": {"total": seq}, **fields}
    head = seq, ObjectId(f"{seq:024x}").binary, DAY_MS + seq * MINUTE
    [made] = chunk_format(format).lines([head], [bson.encode(all_fields)])
    return made


def draft(seqs: Iterable[int], format: str = "jsonl", **fields: Any) -> Draft:
    """A chunk that is yet to be stored."""
    made = Draft(format)
    made.take([line(seq, format, **fields) for seq in seqs])
    return made


def store(archive: Archive, seqs: Iterable[int], format: str = "jsonl", **fields: Any) -> Entry:
    """Stores one more chunk."""
    return store_chunk(archive, draft(seqs, format, **fields), lambda: None)


def archive_of(folder: Path, *chunks: tuple[int, int], format: str = "jsonl") -> Archive:
    """An archive with these chunks, each from its first to its last seq."""
    made = Archive(folder)
    for first, last in chunks:
        store(made, range(first, last + 1), format)
    return made


def files(archive: Archive, folder: str) -> list[Path]:
    """The files of `chunks` or `manifest`."""
    return sorted(Path(archive.url, archive.name, folder).iterdir())


def seqs(records: Iterable[Any]) -> list[int]:
    return [record.seq for record in records]
