"""Archives the log of an outbox, as a durable reader."""

from __future__ import annotations

import random
import threading

from outbox.archive.archive import Archive
from outbox.archive.delivery import KIND, ArchiveConfig
from outbox.archive.formats.choice import chosen_format
from outbox.archive.target import Chunks, Stored
from outbox.clock import Clock
from outbox.delivery.durable_reader import DurableReader
from outbox.delivery.ports import OpenOutbox
from outbox.log.reader_id import reader_id


def archive_log(
    outbox: OpenOutbox,
    archive: Archive,
    format: str | None = None,
    *,
    stop: threading.Event,
    once: bool = False,
    stored: Stored = lambda _: None,
    clock: Clock | None = None,
) -> None:
    """Stores the records of the log in `archive` as they come, until `stop` is set. Blocks.

    It is the durable reader `archive:NAME`: of all processes that run it one works, and the others stand by; the log
    rolls over nothing that is not stored and read back. A chunk has at most 100,000 records or 64 MiB, and none of
    them waits longer than a minute.

    format: of new chunks: `jsonl.gz`, also for None, `jsonl`, `jsonl.zst` or `parquet`; of a MongoDB `bson` alone.
    once: ends when all is stored. stored: is told of each chunk that counts.

    Raises InvalidArchive, ArchiveUnavailable with `once`, ArchiveDamaged, what must be seen to by somebody
    (HistoryLost, LogReplaced, CursorMismatch, OutboxNotCreated), and errors of the database that do not pass by
    themselves.
    """
    format = chosen_format(format, archive.store.formats)
    reader_id(KIND, archive.name)
    config = ArchiveConfig(outbox, archive.name, "oldest", "stop", random.random, archive)
    target = Chunks(archive, format, once=once, stored=stored, clock=clock)
    DurableReader(config, target, shares=1).run(stop, once=once)
