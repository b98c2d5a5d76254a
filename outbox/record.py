"""A record: one message, numbered, as readers of the log see it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, Generic, TypeVar

from bson import ObjectId

M = TypeVar("M")
Decode = Callable[[str, "dict[str, Any] | None"], Any]


class Record(Generic[M]):
    """One message of the log. Immutable by convention, safe to hand to other threads.

    A view on the decoded document: building one copies nothing, so a reader pays only for what it looks at.
    """

    __slots__ = ("_decode", "_fields", "seq")

    def __init__(self, seq: int, fields: dict[str, Any], decode: Decode | None = None) -> None:
        self.seq = seq
        """The record's number: from 1, gapless, one total order per outbox."""
        self._fields = fields
        self._decode = decode

    @property
    def id(self) -> ObjectId:
        """The message's id, given by `put`; the same however often the message is delivered."""
        return self._fields["id"]  # type: ignore[no-any-return]  # a BSON document's values are Any

    @property
    def type(self) -> str:
        """The message's type name, such as `order.placed`."""
        return self._fields["type"]  # type: ignore[no-any-return]  # as above

    @property
    def key(self) -> str | None:
        """What orders and partitions the message; None for a message that belongs to no key."""
        return self._fields["key"]  # type: ignore[no-any-return]  # as above

    @property
    def created(self) -> datetime:
        """When it was put: aware, UTC, in whole milliseconds. Never decreases along `seq`."""
        return self._fields["created"]  # type: ignore[no-any-return]  # as above

    @property
    def headers(self) -> dict[str, str]:
        """The message's own headers, without the reserved ones."""
        return self._fields["headers"]  # type: ignore[no-any-return]  # as above

    @property
    def data(self) -> dict[str, Any] | None:
        """The body, as BSON decodes it (what Kafka people call the value). None is a tombstone.

        Dates are aware UTC datetimes, or `bson.datetime_ms.DatetimeMS` where Python's datetime cannot hold them.
        """
        return self._fields["data"]  # type: ignore[no-any-return]  # as above

    @property
    def message(self) -> M | None:
        """The body as an instance of its message class, decoded at each access; None for a type not known here."""
        return None if self._decode is None else self._decode(self.type, self.data)

    def __repr__(self) -> str:
        return f"Record(seq={self.seq}, id={self.id}, type={self.type!r}, key={self.key!r}, data={self.data!r})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Record):
            return NotImplemented
        return self.seq == other.seq and self._fields == other._fields

    def __hash__(self) -> int:
        return hash((self.seq, self.id))
