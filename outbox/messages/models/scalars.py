"""The forms of text, bytes, ids and dates."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID

from bson import ObjectId

from outbox.messages.dialects import Dialect, Schema
from outbox.messages.models.constraints import NO_LIMITS, Constraints
from outbox.messages.models.forms import Form, Unfit, short
from outbox.messages.writing.layout import BY_PYTHON, TEXT, ValueLayout, encoded, encoded_date, is_length

_TIME = r"^([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,6})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])?"
_MINUTE = timedelta(minutes=1)


def no(value: object, wanted: str) -> Unfit:
    return Unfit(f"{short(value)} is a {type(value).__name__}, not {wanted}")


@dataclass(frozen=True)
class Scalar(Form):
    """Stores single values."""

    kind: str
    """The kind of leaf, as a Dialect has it."""
    limits: Constraints = NO_LIMITS

    def schema(self, dialect: Dialect) -> Schema:
        return dialect.scalar(self.kind)

    @property
    def types(self) -> frozenset[str]:
        return frozenset({self.kind})


class Text(Scalar):
    """Stores str."""

    @property
    def is_plain(self) -> bool:
        return True

    def schema(self, dialect: Dialect) -> Schema:
        schema = {**super().schema(dialect), **self.limits.sizes("Length")}
        pattern = self.limits.pattern
        if pattern is not None:
            schema["pattern"] = pattern.people if dialect.people else pattern.server
        return schema

    def encode(self, value: Any) -> Any:
        if not isinstance(value, str):
            raise no(value, "text")
        text = value if type(value) is str else str.__str__(value)
        self.limits.check_size(text)
        if self.limits.pattern is not None and self.limits.pattern.python.search(text) is None:
            raise Unfit(f"{short(text)} does not match {self.limits.pattern.people!r}")
        return text

    @property
    def layout(self) -> ValueLayout:
        limits = self.limits
        if limits.pattern is not None or not is_length(limits.min_length, limits.max_length):
            return super().layout
        return TEXT, limits.min_length, limits.max_length, None

    def decode(self, stored: Any) -> Any:
        if not isinstance(stored, str):
            raise no(stored, "text")
        return stored


class Raw(Scalar):
    """Stores bytes."""

    @property
    def is_plain(self) -> bool:
        return True

    def encode(self, value: Any) -> Any:
        if type(value) is not bytes:
            raise no(value, "bytes")
        self.limits.check_size(value)
        return value

    def decode(self, stored: Any) -> Any:
        if not isinstance(stored, bytes):
            raise no(stored, "bytes")
        return bytes(stored)


class Universal(Scalar):
    """Stores UUID."""

    @property
    def is_plain(self) -> bool:
        return True

    def encode(self, value: Any) -> Any:
        if not isinstance(value, UUID):
            raise no(value, "a UUID")
        return value

    def decode(self, stored: Any) -> Any:
        return self.encode(stored)


class Nothing(Scalar):
    """Stores None."""

    @property
    def is_plain(self) -> bool:
        return True

    def schema(self, dialect: Dialect) -> Schema:
        return {dialect.keyword: "null"}

    def encode(self, value: Any) -> Any:
        if value is not None:
            raise no(value, "None")

    def decode(self, stored: Any) -> Any:
        return self.encode(stored)


@dataclass(frozen=True)
class Id(Scalar):
    """Stores an ObjectId, also of a class derived from it."""

    cls: type[ObjectId] = ObjectId

    @property
    def is_plain(self) -> bool:
        return self.cls is ObjectId

    def encode(self, value: Any) -> Any:
        if not isinstance(value, ObjectId):
            raise no(value, "an ObjectId")
        return ObjectId(value.binary)

    def decode(self, stored: Any) -> Any:
        if not isinstance(stored, ObjectId):
            raise no(stored, "an ObjectId")
        return stored if self.is_plain else self.cls(stored.binary)


@dataclass(frozen=True)
class Moment(Scalar):
    """Stores datetime."""

    naive: bool = False
    """Whether values have no time zone; they are UTC all the same."""

    def encode(self, value: Any) -> Any:
        if not isinstance(value, datetime):
            raise no(value, "a datetime")
        try:
            moment = value.replace(tzinfo=UTC) if value.utcoffset() is None else value.astimezone(UTC)
        except OverflowError:
            raise Unfit(f"{short(value)} is in no year of UTC that Python has") from None
        return moment.replace(microsecond=moment.microsecond // 1000 * 1000)

    @property
    def layout(self) -> ValueLayout:
        return BY_PYTHON, self._encoded

    def _encoded(self, value: Any) -> bytes:
        return (encoded_date(value) if type(value) is datetime else None) or encoded(self.encode(value))

    def decode(self, stored: Any) -> Any:
        if not isinstance(stored, datetime):
            raise no(stored, "a date that Python has")
        return stored.replace(tzinfo=None) if self.naive else stored


class Day(Scalar):
    """Stores date."""

    def encode(self, value: Any) -> Any:
        if not isinstance(value, date) or isinstance(value, datetime):
            raise no(value, "a date")
        return datetime(value.year, value.month, value.day, tzinfo=UTC)

    def decode(self, stored: Any) -> Any:
        if not isinstance(stored, datetime):
            raise no(stored, "a date that Python has")
        if stored.time() != time.min:
            raise Unfit(f"{stored} has a time of day")
        return stored.date()


class TimeOfDay(Scalar):
    """Stores time."""

    def schema(self, dialect: Dialect) -> Schema:
        return {**super().schema(dialect), "pattern": _TIME + ("$" if dialect.people else r"\z")}

    def encode(self, value: Any) -> Any:
        if not isinstance(value, time):
            raise no(value, "a time")
        offset = value.utcoffset()
        if (value.tzinfo is None) != (offset is None) or (offset is not None and offset % _MINUTE):
            raise Unfit(f"{short(value)} has no offset from UTC in whole minutes: give it a timezone(…), or none")
        return value.isoformat("seconds" if value.microsecond == 0 else "microseconds")

    def decode(self, stored: Any) -> Any:
        if not isinstance(stored, str):
            raise no(stored, "the text of a time")
        try:
            return time.fromisoformat(stored)
        except ValueError as error:
            raise Unfit(f"{short(stored)} is no time: {error}") from None
