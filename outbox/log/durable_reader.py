"""A durable reader: what it is called, and which commands are for it."""

from __future__ import annotations

import re

from outbox.errors import InvalidName

_ID = re.compile(r"(relay|consumer|projection|archive|mirror):[A-Za-z0-9._-]{1,128}|latest:[A-Za-z0-9._-]{0,128}")


def check_id(reader: str) -> None:
    """Raises InvalidName for what can be no durable reader's id: a kind, a colon and a name."""
    if not _ID.fullmatch(reader):
        raise InvalidName(
            f"{reader!r} is no durable reader's id: give its kind (relay, consumer, projection, latest, archive or "
            "mirror), a colon and its name, such as 'relay:kafka'"
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
