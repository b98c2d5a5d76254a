"""Positions in the log: by number, by word and by date, also inside a batch and while it rolls."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
from pymongo.collection import Collection
from pymongo.database import Database

from outbox import InvalidStart, Outbox, OutboxNotCreated
from tests.actors.order_service import new_outbox, placed, put_at, totals

pytestmark = pytest.mark.oldest_server

Document = dict[str, Any]


@pytest.fixture
def orders(database: Database[Document]) -> Iterator[Outbox]:
    with new_outbox(database, capacity="8 MiB", sequence=False) as outbox:
        yield outbox


def test_an_empty_log_has_no_head_and_begins_at_1(orders: Outbox) -> None:
    assert (orders.log.head(), orders.log.oldest()) == (0, 1)
    assert list(orders.read()) == []


def test_a_record_that_is_appended_while_the_oldest_is_asked_for_is_not_passed_over(
    orders: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Goes red when an empty log's oldest is `head() + 1`, read after it was found to be empty."""
    find_one = Collection.find_one

    def appended_meanwhile(self: Collection[Any], *arguments: Any, **options: Any) -> Any:
        found = find_one(self, *arguments, **options)
        if options.get("sort") == [("$natural", 1)]:
            monkeypatch.undo()
            put_at(orders, 1)
        return found

    monkeypatch.setattr(Collection, "find_one", appended_meanwhile)

    assert orders.log.oldest() == 1


@pytest.mark.parametrize("use", ["head", "oldest", "describe"])
def test_a_log_that_was_never_made_is_an_error_that_says_so(database: Database[Document], use: str) -> None:
    with pytest.raises(OutboxNotCreated, match="create"):
        getattr(Outbox(database).log, use)()


def test_reading_starts_at_the_head_or_the_record_after_it(orders: Outbox) -> None:
    put_at(orders, 1, 2, 3)

    assert totals(orders.read(3)) == [3]
    assert totals(orders.read(4)) == []
    assert totals(orders.read("latest")) == []


def test_a_start_beyond_the_head_is_refused(orders: Outbox) -> None:
    put_at(orders, 1, 2, 3)

    with pytest.raises(InvalidStart, match="beyond the log, whose newest"):
        next(orders.read(5))


@pytest.mark.parametrize("start", [0, True, -3, "beginning"])
def test_a_start_that_is_none_is_refused_at_once(orders: Outbox, start: Any) -> None:
    with pytest.raises(InvalidStart):
        orders.read(start)


def test_a_naive_date_is_utc(orders: Outbox) -> None:
    put_at(orders, 0, 10, 20)

    assert totals(orders.read(datetime(2025, 1, 1, 0, 10))) == [10, 20]  # noqa: DTZ001  # naive is the point


def test_a_record_is_decoded_into_its_message_class(orders: Outbox, database: Database[Document]) -> None:
    orders.put(placed(9), standalone=True)
    orders.sequence()

    assert next(orders.read()).message == placed(9)
    assert next(Outbox(database).read()).message is None


def test_one_record_is_found_by_its_seq(orders: Outbox) -> None:
    put_at(orders, 1, 2)
    put_at(orders, 3)

    found = [orders.log.record_at(seq) for seq in (1, 2, 3, 4)]
    assert [None if each is None or each.data is None else each.data["total"] for each in found] == [1, 2, 3, None]


def test_reading_does_not_sequence(orders: Outbox) -> None:
    orders.put(placed(1), standalone=True)

    assert list(orders.read()) == []
