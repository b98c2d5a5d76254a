"""A document of `NAME.cursors` as a durable reader has written it, or what is wrong with one that somebody else has."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

from bson import ObjectId
from bson.datetime_ms import DatetimeMS

from outbox.arguments import MOST_SHARES
from outbox.errors import CursorMismatch
from outbox.log.position import Position
from outbox.log.reader_id import reader_of, reset_command
from outbox.mongo.codec import Document
from outbox.mongo.collections import HIGHEST_SEQ

Layer = tuple[int, ...]
"""How far each share had come when there were as many shares as this has numbers: share 1's seq first."""


class CursorDocument(NamedTuple):
    """What it says. Of a reader with several shares, the one that has no share's name says only how many there are."""

    position: Position | None
    shares: int
    fence: int
    delivered: tuple[Layer, ...]
    """See Share.delivered."""


def parse(found: Document, collection: str) -> CursorDocument:
    """Numbers may be of any type, if they are whole: mongosh writes doubles. Raises CursorMismatch."""
    fields = _Fields(found, collection)
    shares = fields.number("shares", 2, MOST_SHARES) if "shares" in found else 1
    fence = fields.number("fence", 0, HIGHEST_SEQ)
    if fields.get("in_kafka", None) not in (None, True, False):
        raise fields.wrong("in_kafka", "true")
    if "seq" not in found and shares > 1:
        return CursorDocument(None, shares, fence, ())
    position = fields.number("seq", 0, HIGHEST_SEQ), fields.created(), fields.id()
    return CursorDocument(position, shares, fence, fields.layers())


def whole(value: Any, least: int, most: int) -> int | None:
    """The number that a value of BSON is; None when it is no whole number within these."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return int(value) if least <= value <= most and value == int(value) else None


class _Fields:
    def __init__(self, found: Document, collection: str) -> None:
        self._found = found
        self._collection = collection

    def get(self, name: str, default: Any) -> Any:
        return self._found.get(name, default)

    def wrong(self, name: str, right: str) -> CursorMismatch:
        is_ = f"is {self._found[name]!r:.100}" if name in self._found else "is missing"
        anew = reset_command(reader_of(str(self._found["_id"])))
        return CursorMismatch(
            f"the document {self._found['_id']!r} of {self._collection} is no cursor that a reader has written: its "
            f"field {name!r} {is_}, and should be {right}. `{anew}` writes it anew"
        )

    def number(self, name: str, least: int, most: int) -> int:
        value = whole(self._found.get(name), least, most)
        if value is None:
            raise self.wrong(name, f"a whole number from {least}" + (f" to {most}" if most < HIGHEST_SEQ else ""))
        return value

    def created(self) -> datetime | DatetimeMS | None:
        value = self._found.get("created", self)
        if value is not None and not isinstance(value, (datetime, DatetimeMS)):
            raise self.wrong("created", "a date, or null")
        return value

    def id(self) -> ObjectId | None:
        value = self._found.get("id", self)
        if value is not None and not isinstance(value, ObjectId):
            raise self.wrong("id", "a message's id, or null")
        return value

    def layers(self) -> tuple[Layer, ...]:
        found = self._found.get("delivered", [])
        if isinstance(found, list) and all(isinstance(each, list) and each for each in found):
            layers = tuple(tuple(whole(seq, 0, HIGHEST_SEQ) for seq in layer) for layer in found)
            if not any(None in layer for layer in layers):
                return layers  # type: ignore[return-value]  # no None is in them
        raise self.wrong("delivered", "lists of seqs")
