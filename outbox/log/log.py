"""The log: the capped collection of record batches, and where things are in it."""

from __future__ import annotations

import bisect
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, NamedTuple

from bson import Int64, ObjectId
from bson.binary import Binary
from bson.raw_bson import RawBSONDocument
from pymongo.client_session import ClientSession
from pymongo.collection import Collection

from outbox import dates
from outbox.errors import LogCorrupt, OutboxNotCreated
from outbox.log import batch
from outbox.log.batch import Batch, Head
from outbox.log.edge import Edge
from outbox.log.record import Record, moment
from outbox.log.retry_overtaken import retry_overtaken
from outbox.mongo.calls import time_limit
from outbox.mongo.codec import RAW, Document
from outbox.mongo.collections import Collections

IDENTITY_DIGITS = 8
_ENVELOPE = {"last": 1, "fence": 1, "undeleted": 1}


class Description(NamedTuple):
    """What the server says of the collection itself."""

    uuid: Binary
    capped: bool
    size: int
    """The cap, in bytes."""
    fence: int
    """The least fence the validator lets in."""


class Newest(NamedTuple):
    """The envelope of the newest batch; the genesis' (0, 0, 1) when nothing was ever appended."""

    first: int
    last: int
    undeleted: int


def validator(fence: int) -> Document:
    """The log's validator: the envelope, and no writer whose fence is older. It never looks into the records."""
    return {
        "$jsonSchema": {
            "bsonType": "object",
            "required": ["_id", "last", "fence", "undeleted", "records"],
            "properties": {
                **{name: {"bsonType": "long"} for name in ("_id", "last", "fence", "undeleted")},
                "records": {"bsonType": "array"},
            },
        },
        "fence": {"$gte": Int64(fence)},
    }


def identity(full_name: str, uuid: Binary) -> str:
    """Which log a seq is of: `database.outbox/` and the first hex digits of its UUID, which one made anew has not."""
    return f"{full_name}/{bytes(uuid).hex()[:IDENTITY_DIGITS]}"


class Log:
    """Reads of the log by position. Thread-safe; every call is bounded in time and may raise pymongo's errors.

    Positions are by `_id`, and the oldest is by natural order: a batch appended by a sequencer whose time is over,
    below numbers that have long been rolled over, would be seen by nobody.
    """

    def __init__(self, collections: Collections) -> None:
        self._collections = collections
        self._log = collections.log
        self._edge = Edge(collections)
        self._raw: Collection[RawBSONDocument] = collections.log.with_options(codec_options=RAW)

    def describe(self) -> Description:
        """Raises OutboxNotCreated when there is no such collection."""
        info = self._collections.info(self._log.name)
        if info is None or info.uuid is None:
            raise OutboxNotCreated(
                f"{self._log.full_name} does not exist; create it once, with Outbox(…).create() or `outbox create APP`"
            )
        live = info.options.get("validator", {}).get("fence", {}).get("$gte", 0)
        return Description(info.uuid, info.options.get("capped", False), info.options.get("size", 0), live)

    def identity(self) -> str:
        """As `outbox.log.log.identity` has it. Raises OutboxNotCreated."""
        return identity(self._log.full_name, self.describe().uuid)

    @retry_overtaken
    def newest(self, session: ClientSession | None = None) -> Newest:
        """The newest batch's envelope. Raises OutboxNotCreated when the log has not even its genesis."""
        with time_limit():
            found = self._log.find_one({}, _ENVELOPE, sort=[("_id", -1)], session=session)
        if found is None:
            raise OutboxNotCreated(
                f"{self._log.full_name} does not exist or was not made by create(): run Outbox(…).create()"
            )
        if not found.keys() >= {"last", "undeleted"}:
            raise LogCorrupt(
                f"the document {found['_id']!r} of the log is no record batch; only a sequencer writes there"
            )
        return Newest(found["_id"], found["last"], found["undeleted"])

    def head(self, session: ClientSession | None = None) -> int:
        """The newest seq; 0 when nothing was ever appended."""
        return self.newest(session).last

    def oldest(self, session: ClientSession | None = None) -> int:
        """The oldest seq that stays for who has saved a cursor just before it; 1 when nothing was ever appended.

        What lies before it may still be there, see `earliest`, and be rolled over at any moment. Raises
        OutboxNotCreated, and needs the right to read the leases.
        """
        edge = self._edge.read(session)  # first: what an append has rolled over is gone before its edge is taken back
        return max(edge, self.earliest(session))

    @retry_overtaken
    def earliest(self, session: ClientSession | None = None) -> int:
        """The oldest seq the log holds at this moment; 1 when nothing was ever appended. Raises OutboxNotCreated.

        One read, so that a record appended meanwhile is never passed over: a log that once had records has its last.
        """
        with time_limit():
            found = self._log.find_one({"_id": {"$gt": 0}}, {"_id": 1}, sort=[("$natural", 1)], session=session)
        if found is None:
            self.newest(session)
            return 1
        return int(found["_id"])

    @retry_overtaken
    def ids_since(self, seq: int, session: ClientSession | None = None) -> list[ObjectId]:
        """The message ids of every record from the batch at `seq` to the newest."""
        with time_limit():
            found = self._log.find({"_id": {"$gte": seq}}, {"records.id": 1}, session=session)
            return [each["id"] for document in found for each in document["records"]]

    def record_at(self, seq: int, session: ClientSession | None = None) -> Record[Any] | None:
        """One record; None when the log does not hold it (any more)."""
        if not 0 < seq < 2**63:  # more than the server can be asked for
            return None
        found = self.batch_at(seq, session)
        if found is None or not found.first <= seq <= found.last:
            return None
        return found.record(seq)

    def batch_at(self, seq: int, session: ClientSession | None = None) -> Batch | None:
        """The newest batch that begins at or before `seq`; None when there is none, genesis not counted."""
        return self._one({"_id": {"$gt": 0, "$lte": seq}}, session)

    @retry_overtaken
    def record_of(self, id: ObjectId, since: int, seconds: float) -> Record[Any] | None:
        """Finds a message by its id, from the newest batch back to the one that begins at `since` or holds it.

        None when none of them has it. The server reads every one of them, for `seconds` at most: there is no index.
        """
        first = self.batch_start(since)
        with time_limit(seconds):
            found = self._raw.find_one({"_id": {"$gte": first, "$gt": 0}, "records.id": id}, sort=[("_id", -1)])
        records = [] if found is None else batch.parse(bytes(found.raw)).records()
        return next((record for record in records if record.id == id), None)

    @retry_overtaken
    def batch_start(self, seq: int) -> int:
        """The `_id` of the batch that holds `seq`; `seq` itself when none does, which is where the next may begin."""
        with time_limit():
            found = self._log.find_one({"_id": {"$gt": 0, "$lte": seq}}, {"last": 1}, sort=[("_id", -1)])
        return int(found["_id"]) if found is not None and found["last"] >= seq else seq

    @retry_overtaken
    def _one(self, query: Document, session: ClientSession | None) -> Batch | None:
        with time_limit():
            found = self._raw.find_one(query, sort=[("_id", -1)], session=session)
        return None if found is None else batch.parse(bytes(found.raw))

    @retry_overtaken
    def batches_from(self, first: int, limit: int, session: ClientSession | None = None) -> list[Batch]:
        """Up to `limit` batches from `_id` >= `first`, in order: one reply, so at most 16 MiB of them."""
        with time_limit():
            found = self._raw.find(
                {"_id": {"$gte": first}}, sort=[("_id", 1)], limit=-limit, batch_size=limit, session=session
            )
            return [batch.parse(bytes(each.raw)) for each in found]

    def seq_at(self, date: datetime) -> int:
        """The first seq with `created` >= `date` (naive means UTC); head + 1 when there is none yet.

        A binary search over `_id`, which works because `created` never decreases along `seq`.
        """
        wanted = dates.aware(date)
        # A primary that was just elected may not know for a moment of what another has shown: it would look too old.
        with self._collections.client.start_session(causal_consistency=True) as session:
            oldest, head = self.earliest(session), self.head(session)
            seqs = range(oldest, head + 1)
            return oldest + bisect.bisect_left(seqs, wanted, key=self._created(session))

    def _created(self, session: ClientSession) -> Callable[[int], datetime]:
        """A record's `created`; what was rolled over during the search counts as too old."""
        heads: list[Head] = []

        def created(seq: int) -> datetime:
            nonlocal heads
            if not heads or not heads[0][0] <= seq <= heads[-1][0]:
                found = self.batch_at(seq, session)
                if found is None or seq > found.last:
                    return datetime.min.replace(tzinfo=UTC)
                heads = found.heads()
            return moment(heads[seq - heads[0][0]][2])

        return created
