"""Finds records of the log for the page: the newest first, some at a time, and for a bounded time."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import bson
from bson import ObjectId, json_util

from outbox import dates
from outbox.location import find
from outbox.log import batch
from outbox.log.log import Log
from outbox.log.record import Record
from outbox.log.undecoded import shown
from outbox.mongo.calls import time_limit
from outbox.mongo.codec import RAW, Document
from outbox.mongo.collections import HIGHEST_SEQ, Collections

MOST_RECORDS = 50
SEARCH_SECONDS = 2.0
"""A search says how far it came, and can be gone on with."""
PREVIEW = 300
"""Characters of data in a list."""
LARGEST_SHOWN = 256 << 10
_WINDOW = 20_000
"""Seqs that the server looks through at a time."""


@dataclass(frozen=True)
class Wanted:
    """Says which records are wanted, all that is given at once; every one when nothing is."""

    key: str | None = None
    type: str | None = None
    before: int = HIGHEST_SEQ
    """Only those with a lower seq."""

    def matches(self, record: Record[Any]) -> bool:
        """Tells whether it is one."""
        stored = record.stored
        return self.key in (None, stored["key"]) and self.type in (None, stored["type"])


def newest(collections: Collections, wanted: Wanted, *, with_data: bool) -> dict[str, Any]:
    """Returns the newest records that are wanted, MOST_RECORDS at most, as JSON has them.

    `next` is the `before` to go on with; None when there is no more. Raises OutboxNotCreated, LogCorrupt and pymongo's
    errors.
    """
    log = Log(collections)
    oldest, top = log.earliest(), min(wanted.before - 1, log.head())
    until = time.monotonic() + SEARCH_SECONDS
    found: list[Record[Any]] = []
    while top >= oldest and len(found) < MOST_RECORDS and time.monotonic() < until:
        low = max(top - _WINDOW, 0)
        for record in _matching(collections, low, top, wanted):
            found.append(record)
            if len(found) == MOST_RECORDS:
                low = record.seq - 1
                break
        top = low
    return {
        "records": [_as_json(record, PREVIEW if with_data else None) for record in found],
        "next": top + 1 if top >= oldest else None,
        "oldest": oldest,
    }


def _matching(collections: Collections, low: int, top: int, wanted: Wanted) -> Iterator[Record[Any]]:
    """Yields those above `low` and up to `top`, the newest first."""
    asked = {name: value for name, value in (("key", wanted.key), ("type", wanted.type)) if value is not None}
    start = Log(collections).batch_start(low + 1)
    query: Document = {"_id": {"$gte": max(start, 1), "$lte": top}}
    if asked:
        query["records"] = {"$elemMatch": asked}
    raw = collections.log.with_options(codec_options=RAW)
    with time_limit():
        for document in raw.find(query, sort=[("_id", -1)], batch_size=4):
            for record in reversed(batch.parse(bytes(document.raw)).records()):
                if low < record.seq <= top and wanted.matches(record):
                    yield record


def one(collections: Collections, id: ObjectId | None, seq: int | None, *, with_data: bool) -> dict[str, Any]:
    """Returns one record, by its message's id or its seq, as JSON has it, and where its message is.

    `record` is None when the log has it not. By an id the server may read the whole log. Raises as `newest`.
    """
    log = Log(collections)
    location = None
    if id is not None:
        location = find(collections, log, id)
        seq = location.seq
    record = None if seq is None else log.record_at(seq)
    if record is not None and location is None:
        location = find(collections, log, record.id)
    if record is not None and id is not None and record.id != id:  # a letter's seq is of another log
        record = None
    where = None if location is None else {**asdict(location), "id": str(location.id), "said": str(location)}
    return {
        "record": None if record is None else _as_json(record, LARGEST_SHOWN if with_data else None),
        "where": where,
    }


def _as_json(record: Record[Any], most: int | None) -> dict[str, Any]:
    """most: how much of its data is given, in characters; None: neither that nor its headers."""
    stored = {name: shown(value) for name, value in record.stored.items()}
    told = {
        "seq": record.seq,
        "id": str(record.id),
        "created": dates.text(record.created),
        "type": plain(stored["type"]),
        "key": plain(stored["key"]),
    }
    return told if most is None else {**told, "headers": plain(stored["headers"]), **data_text(stored["data"], most)}


def plain(value: Any) -> Any:
    """Returns what JSON has of a BSON value."""
    return json.loads(json_util.dumps(value, json_options=json_util.RELAXED_JSON_OPTIONS))


def data_text(data: Any, most: int) -> dict[str, Any]:
    """Returns `data`, relaxed Extended JSON as text of `most` characters at most, and `cut`: whether that is less."""
    size = len(bson.encode({"": data}))
    if size > LARGEST_SHOWN:  # text of megabytes is for a command
        return {"data": f"({size:,} bytes)", "cut": True}
    text = json_util.dumps(data, json_options=json_util.RELAXED_JSON_OPTIONS, ensure_ascii=False)
    return {"data": text[:most], "cut": len(text) > most}
