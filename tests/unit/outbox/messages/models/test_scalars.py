"""Text, bytes, ids and dates as they are stored."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from enum import StrEnum
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from bson import Binary, ObjectId
from bson.datetime_ms import DatetimeMS
from pydantic import AwareDatetime, NaiveDatetime

from outbox import InvalidMessage
from tests.integration.outbox.messages.model_cases import PydanticObjectId
from tests.unit.outbox.messages.models.declared import again, model, read, stored

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
EAST = timezone(timedelta(hours=2))
NAIVE = datetime(2024, 5, 6, 12)  # noqa: DTZ001  # UTC by definition


class Word(StrEnum):
    ONE = "1"


class Half(tzinfo):
    def utcoffset(self, moment: datetime | None) -> timedelta:
        return timedelta(seconds=90)


@pytest.mark.parametrize(
    ("annotation", "value", "back"),
    [
        (datetime, datetime(2024, 5, 6, 14, tzinfo=EAST), NAIVE.replace(tzinfo=UTC)),
        (datetime, NAIVE, NAIVE.replace(tzinfo=UTC)),
        (datetime, NAIVE.replace(microsecond=123_999), NAIVE.replace(microsecond=123_000, tzinfo=UTC)),
        (datetime, EPOCH - timedelta(microseconds=100), EPOCH - timedelta(milliseconds=1)),
        (NaiveDatetime, NAIVE, NAIVE),
        (AwareDatetime, NAIVE.replace(tzinfo=UTC), NAIVE.replace(tzinfo=UTC)),
        (date, date.min, date.min),
        (date, date.max, date.max),
        (time, time(1, 2, 3, 4), time(1, 2, 3, 4)),
        (time, time(1, tzinfo=EAST), time(1, tzinfo=EAST)),
        (str, Word.ONE, "1"),
        (ObjectId, ObjectId("65a000000000000000000001"), ObjectId("65a000000000000000000001")),
        (PydanticObjectId, PydanticObjectId("65a000000000000000000001"), PydanticObjectId("65a000000000000000000001")),
        (UUID, UUID(int=1), UUID(int=1)),
        (bytes, b"\0", b"\0"),
    ],
)  # fmt: skip
def test_a_value_is_read_back_as_the_type_it_was(annotation: Any, value: Any, back: Any) -> None:
    one = model(annotation)(f=value)

    assert again(one).f == back
    assert isinstance(again(one).f, type(back))


@pytest.mark.parametrize(
    ("annotation", "value", "why"),
    [
        (str, b"a", "is a bytes, not text"),
        (bytes, "a", "is a str, not bytes"),
        (UUID, "a", "is a str, not a UUID"),
        (ObjectId, "65a000000000000000000001", "is a str, not an ObjectId"),
        (datetime, date(2024, 5, 6), "is a date, not a datetime"),
        (date, NAIVE, "is a datetime, not a date"),
        (datetime, datetime.max.replace(tzinfo=timezone(-timedelta(hours=1))), "in no year of UTC that Python has"),
        (time, time(1, tzinfo=ZoneInfo("Europe/Berlin")), "has no offset from UTC in whole minutes"),
        (time, time(1, tzinfo=Half()), "has no offset from UTC in whole minutes"),
        (time, NAIVE, "is a datetime, not a time"),
        (None, 1, "is a int, not None"),
    ],
)
def test_what_was_assigned_and_is_of_another_type_is_refused(annotation: Any, value: Any, why: str) -> None:
    with pytest.raises(InvalidMessage, match=f"^declared: f: .*{why}"):
        stored(model(annotation).model_construct(f=value))


@pytest.mark.parametrize(
    ("annotation", "data"),
    [
        (str, 1), (bytes, "a"), (UUID, Binary(b"x" * 16, 0)), (ObjectId, "a"), (datetime, DatetimeMS(2**60)),
        (datetime, "2024"), (date, NAIVE.replace(tzinfo=UTC)), (date, 1), (time, "25:00:00"), (time, 1), (None, 1),
        (int, 1.5), (int, True), (float, "1"), (bool, 1), (str, None),
    ],
)  # fmt: skip
def test_data_of_another_type_is_refused_when_it_is_read(annotation: Any, data: Any) -> None:
    with pytest.raises(InvalidMessage, match=r"does not fit Declared \(f: "):
        read(model(annotation), {"f": data})
