"""A snapshot of staging: what it held at one moment, in the order of the server's stamps, read in pages."""

from __future__ import annotations

import itertools
from concurrent.futures import Executor, Future

from bson import Int64, Timestamp
from bson.raw_bson import RawBSONDocument

from outbox.errors import OutboxNotCreated
from outbox.mongo.calls import time_limit
from outbox.mongo.codec import RAW, Document
from outbox.mongo.collections import Collections
from outbox.staging import document as staging

PAGE_RECORDS = 800
PAGE_BYTES = 4 << 20
"""What a page aims at; one of documents much larger than those before may have 16 MiB, the most of one reply."""
FIRST_PAGE_RECORDS = 500
RECORDS = 50_000
"""Of one snapshot at most: the server keeps what was deleted since for whoever still reads it."""


class Snapshot:
    """What staging holds now. Not thread-safe.

    Whatever is committed or deleted meanwhile does not show. While a page is worked on, the next one is fetched on one
    of `threads`. Every page is a command of its own, at the first one's time: nothing stays open on the server.

    records: how many the first page may have. Raises OutboxNotCreated and pymongo's errors, here and in `page`.
    """

    def __init__(self, collections: Collections, threads: Executor, records: int = FIRST_PAGE_RECORDS) -> None:
        self._collections = collections
        self._threads = threads
        self.records = records
        """How many records the next page may have, by the size of those before."""
        self.time = Timestamp(0, 0)
        """The moment it shows, by the server's logical clock."""
        self.is_whole = False
        """All that staging held has been fetched."""
        self._taken = 0
        self._edge: tuple[Timestamp, list[bytes]] | None = None
        self._fetched: list[bytes] | None = self._fetch()
        self._upcoming: Future[list[bytes]] | None = None

    @property
    def is_done(self) -> bool:
        """`page` has nothing more: it is whole, or had better be followed by a new one."""
        return self._fetched is None and self._upcoming is None

    def page(self) -> list[bytes]:
        """The next documents, as the server has them; none when it is done."""
        if self._fetched is not None:
            documents, self._fetched = self._fetched, None
        elif self._upcoming is not None:
            documents, self._upcoming = self._upcoming.result(), None
        else:
            return []
        self._taken += len(documents)
        if not self.is_whole and self._edge is not None and self._taken < RECORDS:
            self._upcoming = self._threads.submit(self._fetch)
        return documents

    def _fetch(self) -> list[bytes]:
        concern: Document = {"level": "snapshot"}
        after: Document = {}
        asked = self.records
        if self._edge is not None:
            asked += len(self._edge[1])
            concern["atClusterTime"] = self.time
            # Not $gt: `at` is unique as the server stamps it, but somebody may have sent one.
            after["at"] = {"$gte": self._edge[0]}
        find = {"find": self._collections.staging.name, "filter": after, "sort": {"at": 1}, "readConcern": concern}
        with time_limit():
            reply = self._collections.database.command({**find, "limit": asked, "batchSize": asked}, codec_options=RAW)
        cursor: RawBSONDocument = reply["cursor"]
        if "atClusterTime" not in cursor:  # a collection that is not there has no snapshot
            raise OutboxNotCreated(f"{self._collections.staging.full_name} is gone: run Outbox(…).create()")
        self.time = cursor["atClusterTime"]
        if cursor["id"]:  # the server's reply was full before the page was
            self._kill(cursor["id"])
        documents = cut_out(cursor)
        self.is_whole = not cursor["id"] and len(documents) < asked
        return self._unseen(documents)

    def _unseen(self, documents: list[bytes]) -> list[bytes]:
        """Without those of the page before that begin this one, for it began at the last one's `at`."""
        if documents:
            fitting = PAGE_BYTES * len(documents) // sum(map(len, documents))
            self.records = max(1, min(PAGE_RECORDS, fitting))
        before = [] if self._edge is None else self._edge[1]
        fresh = [each for each in documents if each not in before] if before else documents
        last = None if self._edge is None else self._edge[0]
        self._edge = _edge(fresh)
        if self._edge is not None and self._edge[0] == last:
            # More of them share an `at`, which somebody made up, than a page has: they are not to be told apart.
            self._edge = None
        return fresh

    def _kill(self, cursor: int) -> None:
        with time_limit():
            self._collections.database.command(
                {"killCursors": self._collections.staging.name, "cursors": [Int64(cursor)]}
            )


def _edge(documents: list[bytes]) -> tuple[Timestamp, list[bytes]] | None:
    """The last `at` and the documents that have it; None where there is no telling what comes after."""
    last = staging.stamp(documents[-1]) if documents else None
    if last is None:
        return None
    return last, list(itertools.takewhile(lambda each: staging.stamp(each) == last, reversed(documents)))


def cut_out(cursor: RawBSONDocument) -> list[bytes]:
    """The documents of a reply's first batch, as the server wrote them, without a Python object for every one."""
    raw, name = bytes(cursor.raw), b"\x04firstBatch\x00"
    if not raw.startswith(name, 4):  # not where every server so far has written it
        return [bytes(each.raw) for each in cursor["firstBatch"]]
    at = 4 + len(name)
    end = at + int.from_bytes(raw[at : at + 4], "little") - 1
    at += 4
    documents = []
    while at < end:
        at = raw.index(b"\x00", at) + 1  # over the type and the index
        size = int.from_bytes(raw[at : at + 4], "little")
        documents.append(raw[at : at + size])
        at += size
    return documents
