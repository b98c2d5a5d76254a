"""The dates of the log never decrease, and no wrong clock moves those of the others."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from bson import Timestamp
from bson.datetime_ms import DatetimeMS
from pymongo.collection import Collection

from outbox import Outbox, Record
from tests.actors.order_service import foreign, placed, totals, unchecked

Document = dict[str, Any]


def _ms(record: Record[Any]) -> int:
    return int(DatetimeMS(record.created))


def test_one_clock_a_year_ahead_does_not_move_the_others(orders: Outbox, raw_staging: Collection[Document]) -> None:
    """Goes red when `created` is taken as the writer has it: everybody after it would be dated a year ahead."""
    year_ahead = datetime.now(UTC) + timedelta(days=365)
    raw_staging.insert_one(foreign(created=year_ahead))
    orders.put(placed(1), standalone=True)
    orders.sequence()

    for record in orders.read():
        assert abs(record.created - datetime.now(UTC)) < timedelta(seconds=30)


def test_a_clock_behind_is_lifted_to_its_predecessor_s_date(orders: Outbox, raw_staging: Collection[Document]) -> None:
    orders.put(placed(1), standalone=True)
    raw_staging.insert_one(foreign(2, created=datetime(2001, 1, 1, tzinfo=UTC)))
    orders.sequence()
    raw_staging.insert_one(foreign(3, created=datetime(2001, 1, 1, tzinfo=UTC)))
    orders.sequence()

    dates = [each.created for each in orders.read()]
    assert dates == [dates[0]] * 3


def test_a_forged_at_ahead_moves_nobody_s_date(orders: Outbox, raw_staging: Collection[Document]) -> None:
    """Goes red when `created` is clamped by `at` alone, without the snapshot's time."""
    raw_staging.insert_one(foreign(1, at=Timestamp(2**31 - 1, 1), created=DatetimeMS(2**53)))
    orders.sequence()
    orders.put(placed(2), standalone=True)
    orders.sequence()

    for record in orders.read():
        assert abs(record.created - datetime.now(UTC)) < timedelta(seconds=30)
    assert totals(orders.read()) == [1, 2]


def test_a_forged_at_in_the_past_is_numbered_like_any_other(orders: Outbox, raw_staging: Collection[Document]) -> None:
    raw_staging.insert_one(foreign(1, at=Timestamp(1, 1)))
    orders.put(placed(2), standalone=True)

    assert orders.sequence() == 2
    assert totals(orders.read()) == [1, 2]


@pytest.mark.parametrize("created", [-(2**63), -1, 0, 2**63 - 1, 253402300800000])
def test_dates_before_1970_and_beyond_python_s_are_brought_into_range(
    orders: Outbox, raw_staging: Collection[Document], created: int
) -> None:
    raw_staging.insert_one(foreign(created=DatetimeMS(created)))
    orders.put(placed(1), standalone=True)
    orders.sequence()

    first, second = orders.read()
    assert 0 <= _ms(first) <= _ms(second)
    assert first.created <= datetime.now(UTC) + timedelta(seconds=2)


def test_a_date_in_the_data_that_python_cannot_hold_kills_no_reader(
    orders: Outbox, raw_staging: Collection[Document]
) -> None:
    """Goes red when `DECODED` converts dates to datetime alone."""
    unchecked(orders, foreign(data={"order_id": "42", "total": 1, "when": DatetimeMS(2**62)}))
    orders.put(placed(2), standalone=True)
    orders.sequence()

    first, second = orders.read()
    assert first.data is not None
    assert first.data["when"] == DatetimeMS(2**62)
    assert second.seq == 2
