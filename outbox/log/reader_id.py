"""A durable reader: what it is called, which commands are for it, and which are paused."""

from __future__ import annotations

import re

from pymongo.collection import Collection

from outbox.errors import InvalidName
from outbox.mongo.calls import time_limit
from outbox.mongo.codec import Document

_ID = re.compile(
    r"(relay|consumer|projection|archive|mirror):[A-Za-z0-9._-]{1,128}|projection:[A-Za-z0-9._-]{1,128}~new|latest:[A-Za-z0-9._-]{0,128}"
)


def relay_id(name: str) -> str:
    """Returns the id of the relay `name`, as its cursor and its lease are called."""
    return f"relay:{name}"


def reader_id(kind: str, name: str) -> str:
    """Returns the id of the reader of this kind and name. Raises InvalidName for what can be no name."""
    id = f"{kind}:{name}"
    if not isinstance(name, str) or not _ID.fullmatch(id):
        raise InvalidName(
            f"{id!r:.200} cannot be a reader's id: the name of a {kind} is a text of 1 to 128 characters, of A-Z, a-z, "
            f"0-9, '.', '_' and '-', and not {name!r:.200}"
        )
    return id


def check_id(reader: str) -> None:
    """Raises InvalidName for what can be no durable reader's id: a kind, a colon and a name."""
    if not isinstance(reader, str) or not _ID.fullmatch(reader):
        raise InvalidName(
            f"{reader!r:.200} is no durable reader's id: give its kind (relay, consumer, projection, latest, archive "
            "or mirror), a colon and its name, such as 'relay:kafka'"
        )


def reader_of(cursor: str) -> str:
    """Returns the id of the reader whose cursor, or one of whose shares' cursors, has this `_id`."""
    reader, _, share = cursor.rpartition("/")
    return reader if reader and share.isdecimal() else cursor


def described(reader: str) -> str:
    """Returns what people are told of the reader with this id: `relay 'kafka'`, as its own log output has it."""
    kind, colon, name = reader.partition(":")
    return f"{kind} {name!r}" if colon and name else f"reader {reader!r}"


def reset_command(reader: str) -> str:
    """Returns the command that moves the reader's cursor, or makes it anew."""
    return "relay cursor set" if reader.startswith("relay:") else f"outbox readers APP reset {reader}"


def forget_command(reader: str) -> str:
    """Returns the command that removes all that there is of the reader's cursors."""
    return "relay cursor forget" if reader.startswith("relay:") else f"outbox readers APP forget {reader}"


def resume_command(reader: str) -> str:
    """Returns the command that lets a paused reader go on."""
    kind, _, name = reader.partition(":")
    return f"relay resume --name {name}" if kind == "relay" else f"outbox readers APP resume {reader}"


def shares_command(reader: str, number: object) -> str:
    """Returns the command that changes the reader's number of shares."""
    kind, _, name = reader.partition(":")
    set_ = f"relay shares set {number} --name {name}"
    return set_ if kind == "relay" else f"outbox readers APP shares {reader} {number}"


def letters_command(reader: str, act: str, id: object) -> str:
    """Returns the command that does something (`requeue`, `discard`) with a letter of the reader."""
    kind, _, name = reader.partition(":")
    command = (
        f"relay dead {act} {id} --name {name}" if kind == "relay" else f"outbox dead APP {act} {id} --reader {reader}"
    )
    return f"{command} --reason …" if act == "discard" else command


def paused_readers(cursors: Collection[Document]) -> frozenset[str]:
    """Returns the ids of the readers that are paused, as the document says that has the reader's id. Raises pymongo's
    errors."""
    with time_limit():
        return frozenset(str(each["_id"]) for each in cursors.find({"paused": True}, {"_id": 1}))
