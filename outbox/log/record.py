"""A record: one message, numbered, as readers of the log see it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, Generic, TypeVar

from bson import ObjectId
from bson.datetime_ms import DatetimeMS

from outbox.log.undecoded import Undecoded
from outbox.mongo.codec import DECODED

M = TypeVar("M")
Decode = Callable[[str, "dict[str, Any] | None", "dict[str, str]"], Any]
"""Makes a message of a record's type, data and headers."""


def moment(milliseconds: int) -> datetime:
    """Milliseconds since the epoch as an aware UTC datetime; as DatetimeMS where Python's datetime cannot hold them."""
    return DatetimeMS(milliseconds).as_datetime(DECODED)


class Record(Generic[M]):
    """One message of the log. Immutable by convention, safe to hand to other threads.

    A view on what was decoded, `fields` with type, key, headers and data: building one copies nothing. Its id and date
    stay as BSON has them, because most readers of a busy log look at neither, and making the objects takes as long as
    decoding the rest (measured).
    """

    __slots__ = ("_decode", "_fields", "created_ms", "id_bytes", "seq")

    def __init__(
        self, seq: int, id_bytes: bytes, created_ms: int, fields: dict[str, Any], decode: Decode | None = None
    ) -> None:
        self.seq = seq
        """The record's number: from 1, gapless, one total order per outbox."""
        self.id_bytes = id_bytes
        """The 12 bytes of `id`."""
        self.created_ms = created_ms
        """`created` in milliseconds since the epoch."""
        self._fields = fields
        self._decode = decode

    @property
    def id(self) -> ObjectId:
        """The message's id, given by `put`; the same however often the message is delivered."""
        return ObjectId(self.id_bytes)

    @property
    def type(self) -> str:
        """The message's type name, such as `order.placed`."""
        return self._fields["type"]  # type: ignore[no-any-return]  # a BSON document's values are Any

    @property
    def key(self) -> str | None:
        """What orders and partitions the message; None for a message that belongs to no key."""
        return self._fields["key"]  # type: ignore[no-any-return]  # as above

    @property
    def created(self) -> datetime:
        """When it was put: aware, UTC, in whole milliseconds. Never decreases along `seq`.

        A `bson.datetime_ms.DatetimeMS` where Python's datetime cannot hold it.
        """
        return moment(self.created_ms)

    @property
    def headers(self) -> dict[str, str]:
        """The message's own headers, without the reserved ones."""
        return self._fields["headers"]  # type: ignore[no-any-return]  # as above

    @property
    def data(self) -> dict[str, Any] | None:
        """The body, as BSON decodes it (what Kafka people call the value). None is a tombstone, of a compacted type.

        Dates are aware UTC datetimes, or `bson.datetime_ms.DatetimeMS` where Python's datetime cannot hold them. Raises
        UndecodableRecord when another language's driver has put what pymongo cannot read, as `headers` does.
        """
        return self._fields["data"]  # type: ignore[no-any-return]  # as above

    @property
    def message(self) -> M | None:
        """The body as an instance of its message class, decoded at each access.

        None for a type not known here, and for a tombstone. Data of an older version goes through its upcasts first.
        """
        return None if self._decode is None else self._decode(self.type, self.data, self.headers)

    def decoded_by(self, decode: Decode) -> Record[Any]:
        """Returns the same record, whose `message` is what `decode` makes of it."""
        return Record(self.seq, self.id_bytes, self.created_ms, self._fields, decode)

    @property
    def stored(self) -> dict[str, Any]:
        """Type, key, headers and data for another document: what cannot be decoded is a RawBSONDocument."""
        found = {**self._fields, **self._fields.raw} if isinstance(self._fields, Undecoded) else self._fields
        return {name: found[name] for name in ("type", "key", "headers", "data")}

    def __repr__(self) -> str:
        data = self.stored["data"]
        return f"Record(seq={self.seq}, id={self.id}, type={self.type!r}, key={self.key!r}, data={data!r})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Record):
            return NotImplemented
        return (
            self.seq == other.seq
            and self.id_bytes == other.id_bytes
            and self.created_ms == other.created_ms
            and self.stored == other.stored
        )

    def __hash__(self) -> int:
        return hash((self.seq, self.id_bytes))


def note_record(error: BaseException, record: Record[Any], function: str) -> None:
    """Adds to an error which record it was met at, and in which of the caller's functions."""
    error.add_note(f"raised by {function} at the record with seq {record.seq} (id {record.id})")
