"""The view `NAME.latest`: the newest record of each compaction id, and which types it covers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from bson import Int64, ObjectId
from bson.datetime_ms import DatetimeMS
from pymongo import DeleteOne, ReplaceOne
from pymongo.client_session import ClientSession

from outbox.errors import UndecodableRecord
from outbox.log.record import Decode, Record
from outbox.messages.compaction import compaction_id, entry_id
from outbox.mongo.calls import outside_bound_session, time_limit
from outbox.mongo.codec import Document
from outbox.mongo.collections import Collections
from outbox.staging.validator import compactions_of

READER = "latest:"
"""The id of the durable reader that keeps the view: its cursor in `NAME.cursors` says up to where it is kept."""
_COVERED = "covered"  # the `_id` of the view's own document; an entry's has a slash in it
_PAGE = 1000


def deployed_compactions(collections: Collections) -> dict[str, str]:
    """Reads what the types of an outbox are compacted by, as create() has told the server. Raises pymongo's errors."""
    options = collections.options(collections.staging.name) or {}
    return compactions_of(options.get("validator", {}))


def id_of(record: Record[Any], compactions: Mapping[str, str]) -> str | None:
    """Returns the `_id` of a record's entry in the view; None when it has none: see compaction_id."""
    compaction = compactions.get(record.type)
    if compaction is None:
        return None
    try:
        id = compaction_id(compaction, record.key, record.headers, record.data)
    except UndecodableRecord:  # of another language; whoever reads the log is told
        return None
    return None if id is None else entry_id(record.type, id)


class LatestView:
    """Writes and reads the view of one outbox. Thread-safe. Raises pymongo's errors.

    An entry: `{_id: "TYPE/ID", seq, id, created, type, key, headers, data}`.
    """

    def __init__(self, collections: Collections) -> None:
        self._collections = collections
        self._entries = collections.latest

    def apply(self, records: Sequence[Record[Any]], compactions: Mapping[str, str], session: ClientSession) -> None:
        """Brings the view up to these records, in the session's transaction. What it has newer stays."""
        newest = {id: record for record in records if (id := id_of(record, compactions)) is not None}
        known = {
            each["_id"]: each["seq"]
            for each in self._entries.find({"_id": {"$in": list(newest)}}, {"seq": 1}, session=session)
        }
        writes = [
            DeleteOne({"_id": id}) if record.data is None else ReplaceOne({"_id": id}, _entry(id, record), upsert=True)
            for id, record in newest.items()
            if known.get(id, 0) < record.seq and (id in known or record.data is not None)
        ]
        if writes:
            self._entries.bulk_write(writes, ordered=False, session=session)

    @outside_bound_session
    def clear(self) -> None:
        """Removes all entries, of a log whose reader has no cursor any more."""
        with time_limit(60):
            self._entries.delete_many({})

    @outside_bound_session
    def covered(self, session: ClientSession | None = None) -> dict[str, str]:
        """Returns the types that the view has from the log's oldest record on, and what they are compacted by."""
        with time_limit():
            found = self._entries.find_one({"_id": _COVERED}, session=session)
        return {} if found is None else dict(found["types"])

    @outside_bound_session
    def cover(self, compactions: Mapping[str, str]) -> None:
        """Notes the types that the view has from here on."""
        with time_limit():
            self._entries.replace_one({"_id": _COVERED}, {"types": dict(compactions)}, upsert=True)

    @outside_bound_session
    def position(self, session: ClientSession | None = None) -> int | None:
        """Returns the seq up to which the view is kept; None while it was never begun."""
        with time_limit():
            cursor = self._collections.cursors.find_one({"_id": READER}, {"seq": 1}, session=session)
        return None if cursor is None or "seq" not in cursor else int(cursor["seq"])

    @outside_bound_session
    def entries(
        self, after: int, up_to: int, types: Iterable[str], decode: Decode, session: ClientSession | None = None
    ) -> list[Record[Any]]:
        """Reads the next entries of these types, by seq: some hundreds; none when there are no more."""
        query: Document = {"seq": {"$gt": Int64(after), "$lte": Int64(up_to)}, "type": {"$in": sorted(types)}}
        with time_limit():
            found = self._entries.find(query, sort=[("seq", 1)], limit=-_PAGE, batch_size=_PAGE, session=session)
            return [_record(each, decode) for each in found]


def _entry(id: str, record: Record[Any]) -> Document:
    created = DatetimeMS(record.created_ms)
    return {"_id": id, "seq": Int64(record.seq), "id": ObjectId(record.id_bytes), "created": created, **record.stored}


def _record(entry: Document, decode: Decode) -> Record[Any]:
    created = entry["created"]  # a DatetimeMS already where Python's datetime cannot hold it
    milliseconds = int(created if isinstance(created, DatetimeMS) else DatetimeMS(created))
    fields = {name: entry[name] for name in ("type", "key", "headers", "data")}
    return Record(int(entry["seq"]), entry["id"].binary, milliseconds, fields, decode)
