"""An archive in a collection of a MongoDB: a document a record, and a collection of manifest entries beside it."""

from __future__ import annotations

import contextlib
import json
import math
import re
import weakref
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import unquote

from bson.raw_bson import RawBSONDocument
from pymongo import MongoClient, ReadPreference, WriteConcern
from pymongo.collection import Collection
from pymongo.errors import BulkWriteError, ConfigurationError, DuplicateKeyError, InvalidURI, PyMongoError
from pymongo.read_concern import ReadConcern

from outbox.archive.formats.choice import DOCUMENTS
from outbox.archive.formats.documents import cut
from outbox.errors import InvalidArchive
from outbox.mongo.calls import outside_bound_session, time_limit
from outbox.mongo.codec import RAW
from outbox.mongo.server_errors import short_message

_PATH = re.compile(r".*?://[^/]*/([^?]*)")
_CHUNK = re.compile(r"(\d+)-(\d+)\.\w+")
_DUPLICATE = 11000
_INSERTED = 8 << 20
"""Bytes of one insert; how long it may take is bounded."""
_SECONDS = 30.0
"""For what is large."""


class MongoStore:
    """Is Store in a collection `C` of a MongoDB, and `C.manifest`. One archive is there, whatever its name.

    A chunk is the documents from one seq, their `_id`, to another. What no manifest entry has counts for nothing; it is
    taken by the next chunk when that has the same documents, and never overwritten: a collection may have been given by
    mistake. Writes are made and read with majority.
    """

    formats = DOCUMENTS

    def __init__(self, url: str) -> None:
        """Raises InvalidArchive."""
        path = _PATH.match(url)
        database, _, collection = unquote(path[1] if path else "").partition(".")
        if not database or not collection:
            raise InvalidArchive("an archive in MongoDB is a collection: give mongodb://host/database.collection")
        try:
            client: MongoClient[Any] = MongoClient(url, connect=False, tz_aware=True)
        except (InvalidURI, ConfigurationError, ValueError, TypeError) as error:
            raise InvalidArchive(f"the URL of the archive's MongoDB cannot be used: {error}") from error
        weakref.finalize(self, client.close)
        settings = client.get_database(
            database,
            codec_options=RAW,
            read_preference=ReadPreference.PRIMARY,
            read_concern=ReadConcern("majority"),
            write_concern=WriteConcern("majority"),
        )
        self._records: Collection[Any] = settings[collection]
        self._entries: Collection[Any] = settings[f"{collection}.manifest"]

    @outside_bound_session
    def read(self, path: str) -> bytes:
        """See Store."""
        with _errors():
            if _is_entry(path):
                with time_limit():
                    found = self._entries.find_one({"_id": _first(path)})
                content = None if found is None else json.dumps({n: v for n, v in found.items() if n != "_id"}).encode()
            else:
                content = self._documents(*_range(path))
        if not content:
            raise FileNotFoundError(f"{self._records.full_name} has no {path}")
        return content

    def _documents(self, first: int, last: int) -> bytes:
        with time_limit(_SECONDS):
            found = self._records.find({"_id": {"$gte": first, "$lte": last}}, sort=[("_id", 1)])
            return b"".join([document.raw for document in found])

    @outside_bound_session
    def names(self, folder: str) -> list[str]:
        """See Store. Documents that no entry has, one after the other, are a chunk's file, too."""
        with _errors(), time_limit():
            entries = self._counted()
            if folder.endswith("/manifest"):
                return [f"{first:019d}.json" for first, _ in entries]
            uncounted = [found for gap in _gaps(entries) if (found := self._run(*gap)) is not None]
        return [f"{first:019d}-{last:019d}.bson" for first, last in sorted([*entries, *uncounted])]

    def _run(self, first: int, last: float) -> tuple[int, int] | None:
        """Returns the first and the last seq of the documents between these; None when there are none."""
        between = {"_id": {"$gte": first} if math.isinf(last) else {"$gte": first, "$lte": int(last)}}
        ends = [self._records.find_one(between, {"_id": 1}, sort=[("_id", order)]) for order in (1, -1)]
        return None if ends[0] is None or ends[1] is None else (int(ends[0]["_id"]), int(ends[1]["_id"]))

    @outside_bound_session
    def create(self, path: str, content: bytes) -> None:
        """See Store. A chunk's documents are not there at once: they count when its manifest entry stands."""
        with _errors():
            if _is_entry(path):
                try:
                    with time_limit():
                        self._entries.insert_one({"_id": _first(path), **json.loads(content)})
                except DuplicateKeyError as error:
                    raise FileExistsError(f"{self._entries.full_name} has {path}") from error
            else:
                self._check_that_it_is_an_archive()
                self._insert(path, content)

    def _check_that_it_is_an_archive(self) -> None:
        with time_limit():
            other = self._entries.find_one({}, {"_id": 1}) is None and self._records.find_one(
                {"$or": [{"_id": {"$not": {"$type": "long"}}}, {"created": {"$exists": False}}]}, {"_id": 1}
            )
        if other:
            raise OSError(
                f"{self._records.full_name} has documents that are no archive's, such as the one with _id "
                f"{other['_id']!r:.100}: give a collection of its own"
            )

    def _insert(self, path: str, content: bytes) -> None:
        documents = [content[end - size : end] for end, size in _sizes(content)]
        for part in _parts(documents):
            try:
                with time_limit(_SECONDS):
                    self._records.insert_many([RawBSONDocument(each) for each in part], ordered=False)
            except BulkWriteError as error:
                others = [each for each in error.details["writeErrors"] if each["code"] != _DUPLICATE]
                if others or error.details["writeConcernErrors"]:
                    raise
        if self._documents(*_range(path)) == content:
            return
        if any(first <= _range(path)[1] and _range(path)[0] <= last for first, last in self._counted()):
            raise FileExistsError(f"{self._records.full_name} has {path}")
        raise OSError(
            f"{self._records.full_name} has other documents where {path} is to be, and they are in no chunk of the "
            "archive: remove them, or give another collection"
        )

    def _counted(self) -> list[tuple[int, int]]:
        with time_limit():
            return [(int(each["first"]), int(each["last"])) for each in self._entries.find(sort=[("_id", 1)])]

    @outside_bound_session
    def remove(self, path: str) -> None:
        """See Store. Documents that are in another chunk stay, and those behind the newest one: they may be in the
        next, which another process is writing."""
        with _errors():
            if _is_entry(path):
                with time_limit():
                    self._entries.delete_one({"_id": _first(path)})
                return
            first, last = _range(path)
            counted = self._counted()
            last = min(last, counted[-1][1]) if counted else last
            for begin, end in _gaps(counted):
                if begin <= last and first <= end:
                    with time_limit(_SECONDS):
                        self._records.delete_many({"_id": {"$gte": max(first, begin), "$lte": int(min(last, end))}})

    def remove_unfinished(self, folder: str, seconds: float) -> list[str]:
        """See Store. There is never half a document."""
        return []


@contextlib.contextmanager
def _errors() -> Iterator[None]:
    try:
        yield
    except PyMongoError as error:
        raise OSError(f"the archive's MongoDB: {short_message(error)}") from error


def _is_entry(path: str) -> bool:
    return path.endswith(".json")


def _first(path: str) -> int:
    return int(path.rpartition("/")[2].removesuffix(".json"))


def _range(path: str) -> tuple[int, int]:
    found = _CHUNK.fullmatch(path.rpartition("/")[2])
    assert found is not None
    return int(found[1]), int(found[2])


def _gaps(ranges: Sequence[tuple[int, int]]) -> Iterator[tuple[int, float]]:
    """Gives what is before, between and behind these."""
    begin = 0
    for first, last in ranges:
        if begin < first:
            yield begin, first - 1
        begin = max(begin, last + 1)
    yield begin, math.inf


def _sizes(content: bytes) -> Iterator[tuple[int, int]]:
    """Gives where each document ends, and its size."""
    at = 0
    for _, _, end in cut(content):
        yield end, end - at
        at = end


def _parts(documents: Sequence[bytes]) -> Iterator[list[bytes]]:
    part: list[bytes] = []
    size = 0
    for each in documents:
        if part and size + len(each) > _INSERTED:
            yield part
            part, size = [], 0
        part.append(each)
        size += len(each)
    if part:
        yield part
