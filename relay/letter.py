"""A dead letter: a message put aside, whole, with the reason. A document of `NAME.dead`."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any, Literal

from bson import Int64, json_util
from bson.datetime_ms import DatetimeMS

from outbox.collections import Document
from outbox.record import Record
from outbox.undecoded import Undecoded, is_partial, shown
from relay import dates
from relay.errors import PoisonMessage
from relay.share import Share, key_hash

LONGEST_REASON = 2000  # characters; a broker's words go into it

State = Literal["dead", "parked"]
"""Refused itself, or waiting behind one of its key that was."""


def dead(record: Record[Any], reader: str, poison: PoisonMessage) -> Document:
    """The letter of a record that was refused for the first time."""
    return _letter(record, reader, error(poison), 1, "dead")


def parked(record: Record[Any], reader: str) -> Document:
    """The letter of a record that was never tried: one of its key before it is dead."""
    return _letter(record, reader, {"code": "parked", "reason": "an earlier message of its key is dead"}, 0, "parked")


def _letter(record: Record[Any], reader: str, error: Document, attempts: int, state: State) -> Document:
    now = datetime.now(UTC)
    return {
        "_id": record.id,
        "reader": reader,
        "seq": Int64(record.seq),
        "created": record.created,
        **record.stored,
        "hash": Int64(key_hash(record.key, record.id_bytes)),
        "error": error,
        "attempts": attempts,
        "first": now,
        "last": now,
        "state": state,
    }


def of(reader: str, share: Share) -> Document:
    """Finds the letters of a relay whose messages belong to this share; how many there are may change in between."""
    if share.of == 1:
        return {"reader": reader}
    return {"reader": reader, "hash": {"$mod": [share.of, share.number - 1]}}


def error(poison: PoisonMessage) -> Document:
    """Why a message was refused, as its letter has it."""
    return {"code": poison.code, "reason": poison.reason[:LONGEST_REASON]}


def record(letter: Document) -> Record[Any]:
    """The message of a letter as it was read from the log: same seq, same id, same data."""
    seq, id = letter["seq"], letter["_id"].binary
    fields = {name: letter[name] for name in ("type", "key", "headers", "data")}
    return Record(
        seq, id, int(DatetimeMS(letter["created"])), Undecoded(fields, seq, id) if is_partial(fields) else fields
    )


def as_json(letter: Document) -> dict[str, Any]:
    """A letter as `relay dead` prints it: ids and dates as text; data, if there, as MongoDB's relaxed Extended JSON.
    What cannot be decoded is `{"undecodable": base64 of the BSON}`."""
    found = {"id": str(letter["_id"]), **{name: shown(value) for name, value in letter.items() if name != "_id"}}
    for name in ("created", "first", "last", "requeued"):
        date = found.get(name)
        if isinstance(date, datetime | DatetimeMS):
            found[name] = dates.text(date)
    return dict(json.loads(json_util.dumps(found, json_options=json_util.RELAXED_JSON_OPTIONS)))
