"""An outbox whose log is smaller than create() would make it, so that a few messages fill it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bson import Int64, ObjectId
from bson.datetime_ms import DatetimeMS
from pymongo.database import Database

from outbox import Outbox
from outbox.log.batch import GENESIS
from outbox.log.log import validator
from tests.actors.order_service import Document, new_outbox, placed

CAP = 256 * 64
_EPOCH_MS = 1_700_000_000_000  # in 2023


def small_outbox(database: Database[Document]) -> Outbox:
    """Creates an outbox with an empty log of 16 KiB."""
    outbox = new_outbox(database)
    empty(outbox)
    return outbox


def empty(outbox: Outbox, cap: int = CAP) -> None:
    """Makes the log anew, and removes all cursors and what is staged."""
    outbox.collections.cursors.drop()
    outbox.collections.staging.delete_many({})
    make_log_anew(outbox, cap)


def make_log_anew(outbox: Outbox, cap: int = CAP) -> None:
    """Makes the log alone anew, past the library: create() refuses to while there are cursors."""
    outbox.collections.log.drop()
    database = outbox.collections.database
    database.create_collection("outbox", capped=True, size=cap, validator=validator(0)).insert_one(dict(GENESIS))


def register(outbox: Outbox, reader: str, seq: int) -> None:
    """Makes the cursor of a durable reader that has acknowledged `seq`."""
    values = {"seq": Int64(seq), "created": None, "id": None, "updated": None, "fence": Int64(1)}
    outbox.collections.cursors.replace_one({"_id": reader}, values, upsert=True)


def put_large(outbox: Outbox, count: int, size: int = 2000) -> None:
    """Puts messages that the log gets in a batch of their own each: every one is swept alone."""
    for number in range(count):
        outbox.put(placed(number, note="x" * size), standalone=True)
        outbox.sequence()


def append(outbox: Outbox, batches: Iterable[tuple[int, int]], dates: Sequence[int] = ()) -> None:
    """Inserts batches into the log itself, each of so many records of so many bytes.

    dates: in ms after a day of 2023, one a record; records without one are a second apart.
    """
    seq, documents = outbox.log.head() + 1, []
    for count, size in batches:
        records = [record(dates[index] if index < len(dates) else index * 1000, size)
                   for index in range(seq - 1, seq - 1 + count)]  # fmt: skip
        documents.append(
            {
                "_id": Int64(seq),
                "last": Int64(seq + count - 1),
                "fence": Int64(0),
                "undeleted": Int64(seq),
                "records": records,
            }
        )
        seq += count
    if documents:
        outbox.collections.log.insert_many(documents)


def record(created: int, size: int) -> Document:
    fields = {"type": "order.placed", "key": "42", "headers": {}, "data": {"note": "x" * size}}
    return {"id": ObjectId(), "created": DatetimeMS(_EPOCH_MS + created), **fields}
