"""Makes and reads dead letters: documents of `NAME.dead`, each a whole message with the reason it was put aside."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Literal

import bson
from bson import Int64, ObjectId, json_util
from bson.datetime_ms import DatetimeMS

from outbox import dates
from outbox.errors import LetterCorrupt, PoisonMessage
from outbox.log.cursor_document import whole
from outbox.log.log import IDENTITY_DIGITS
from outbox.log.reader_id import letters_command
from outbox.log.record import Record
from outbox.log.undecoded import Undecoded, is_partial, shown
from outbox.mongo.codec import Document
from outbox.mongo.collections import HIGHEST_SEQ
from outbox.mongo.elements import TEXT, Element, elements
from outbox.mongo.elements import document as raw_document
from outbox.shares.share import Share, key_hash

LONGEST_REASON = 2000  # characters; a broker's words go into it

State = Literal["dead", "parked"]
"""`dead`: the message itself was refused. `parked`: it waits behind a dead one of its key."""

SEQUENCER = "sequencer"
"""The reader whose letters are messages that the log itself refused."""

MESSAGE_FIELDS = ("created", "type", "key", "headers", "data")
"""What a letter keeps of the message, under the same names."""

UNKNOWN_LOG = "0" * IDENTITY_DIGITS
"""In place of a log's digits, for an old letter that does not say its log and whose message this log does not have."""


def letter_id(reader: str, id: ObjectId) -> ObjectId | Document:
    """Returns the `_id` of a reader's letter: the message's id, of a relay's; of others', whose letters may be of the
    same message, the reader and that."""
    return id if reader.startswith("relay:") else {"reader": reader, "id": id}


def message_id(letter: Document) -> Any:
    """Returns the message's id that a letter's `_id` has."""
    id = letter["_id"]
    return id["id"] if isinstance(id, dict) and id.keys() == {"reader", "id"} else id


def dead(record: Record[Any], log: str | None, reader: str, poison: PoisonMessage) -> Document:
    """Makes the letter of a record of `log` that was refused for the first time."""
    return _letter_of(record, log, reader, error(poison), 1, "dead")


def parked(record: Record[Any], log: str | None, reader: str) -> Document:
    """Makes the letter of a record that was never sent, because an earlier one of its key is dead."""
    waits = {"code": "parked", "reason": "an earlier message of its key is dead"}
    return _letter_of(record, log, reader, waits, 0, "parked")


def refused(id: Element, message: Mapping[str, Element], code: int, reason: str) -> bytes:
    """Makes the letter of a staged document that the log refuses, with no value decoded: it may be anything.

    `id` is the letter's; `message` has the fields of MESSAGE_FIELDS. It was never numbered: seq and log are null.
    """
    key = message["key"]
    text = key.value[4:-1].decode(errors="replace") if key.type == TEXT else None
    no_values = dict.fromkeys(MESSAGE_FIELDS)
    letter = _letter(None, no_values, SEQUENCER, None, None, key_hash(text, id.value), _error(code, reason), 1, "dead")
    values = {**dict(elements(bson.encode(letter))), "_id": id, **message}
    return raw_document(value.named(name.encode()) for name, value in values.items())


def _letter_of(
    record: Record[Any], log: str | None, reader: str, error: Document, attempts: int, state: State
) -> Document:
    message, hashed = {"created": record.created, **record.stored}, key_hash(record.key, record.id_bytes)
    return _letter(letter_id(reader, record.id), message, reader, log, record.seq, hashed, error, attempts, state)


def _letter(
    id: ObjectId | Document | None,
    message: Mapping[str, Any],
    reader: str,
    log: str | None,
    seq: int | None,
    hashed: int,
    error: Document,
    attempts: int,
    state: State,
) -> Document:
    """Makes a letter: one shape, whoever puts the message aside."""
    now = datetime.now(UTC)
    return {
        "_id": id,
        "reader": reader,
        "log": log,
        "seq": None if seq is None else Int64(seq),
        **message,
        "hash": Int64(hashed),
        "error": error,
        "attempts": attempts,
        "first": now,
        "last": now,
        "state": state,
    }


def letters_of_share(reader: str, share: Share) -> Document:
    """Makes the query for the letters of a reader that belong to this share. How many shares there are may have changed
    since they were put aside."""
    if share.total == 1:
        return {"reader": reader}
    return {"reader": reader, "hash": {"$mod": [share.total, share.number - 1]}}


def error(poison: PoisonMessage) -> Document:
    """Tells why a message was refused, as its letter has it."""
    return _error(poison.code, poison.reason[:LONGEST_REASON])


def _error(code: int | str, reason: str) -> Document:
    return {"code": code, "reason": reason}


def record(letter: Document) -> Record[Any]:
    """Reads the message of a letter as it stood in the log: same seq, same id, same data. Raises LetterCorrupt."""
    _check({"log": None, **letter})  # older letters have no `log`
    seq, id = int(letter["seq"]), message_id(letter).binary
    fields = {name: letter[name] for name in ("type", "key", "headers", "data")}
    created = dates.milliseconds(letter["created"])
    return Record(seq, id, created, Undecoded(fields, seq, id) if is_partial(fields) else fields)


def _check(letter: Document) -> None:
    """Raises LetterCorrupt for a letter that no reader has written."""
    for name, is_right in _RIGHT.items():
        if name not in letter or not is_right(letter[name]):
            what = f"is {letter[name]!r:.100}" if name in letter else "is missing"
            id, give_up = message_id(letter), letters_command(str(letter.get("reader")), "discard", message_id(letter))
            raise LetterCorrupt(
                f"the dead letter {id} cannot be sent again: its field {name!r} {what}, which no reader has written. "
                f"Mend it in the database, or give it up: {give_up}"
            )


_RIGHT: dict[str, Callable[[Any], bool]] = {
    "_id": lambda value: isinstance(message_id({"_id": value}), ObjectId),
    "seq": lambda value: whole(value, 1, HIGHEST_SEQ) is not None,
    "created": lambda value: isinstance(value, (datetime, DatetimeMS)),
    "type": lambda value: isinstance(value, str),
    "key": lambda value: value is None or isinstance(value, str),
    "headers": lambda _: True,  # the encoder checks these two, as it does for the log
    "data": lambda _: True,
    "log": lambda value: value is None or isinstance(value, str),
}


def as_json(letter: Document) -> dict[str, Any]:
    """Returns a letter as `relay dead` prints it: ids and dates as text, data (if there) as relaxed Extended JSON.

    A value that cannot be decoded is `{"undecodable": base64 of the BSON}`.
    """
    fields = {"id": str(message_id(letter)), **{name: shown(value) for name, value in letter.items() if name != "_id"}}
    for name in ("created", "first", "last", "requeued"):
        date = fields.get(name)
        if isinstance(date, datetime | DatetimeMS):
            fields[name] = dates.text(date)
    return dict(json.loads(json_util.dumps(fields, json_options=json_util.RELAXED_JSON_OPTIONS)))
