"""Where a relay starts: at what it was told, and once it has a cursor, there and nowhere else."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from bson import ObjectId
from pymongo.database import Database

from outbox import Outbox
from outbox.errors import HistoryLost, InvalidStart, OutboxNotCreated
from relay import Relay
from relay.errors import CursorMismatch
from relay.testing import MemorySink
from tests.actors.order_service import new_outbox
from tests.actors.relay_thread import given_cursor, numbered, run_once, saved_seq, started

Document = dict[str, Any]


@pytest.fixture
def orders(database: Database[Document]) -> Iterator[Outbox]:
    with new_outbox(database, capacity="16 MiB") as outbox:
        yield outbox


def test_the_beginning_is_seq_1(orders: Outbox) -> None:
    numbered(orders, 3)
    assert started(orders, "beginning") == [1, 2, 3]


def test_latest_delivers_nothing_that_is_there(orders: Outbox) -> None:
    numbered(orders, 3)
    assert started(orders, "latest") == []
    assert saved_seq(orders) == 3


def test_a_seq_is_inclusive(orders: Outbox) -> None:
    numbered(orders, 3)
    assert started(orders, 2) == [2, 3]


def test_a_date_starts_at_the_first_record_created_then(orders: Outbox) -> None:
    numbered(orders, 3)
    assert started(orders, datetime.now(UTC) - timedelta(days=1)) == [1, 2, 3]


def test_a_seq_beyond_the_log_is_refused(orders: Outbox) -> None:
    numbered(orders, 3)
    with pytest.raises(InvalidStart):
        started(orders, 5)


def test_once_there_is_a_cursor_start_means_nothing(orders: Outbox) -> None:
    numbered(orders, 3)
    started(orders, "latest")
    assert started(orders, "beginning") == []


@pytest.fixture
def rolled(orders: Outbox) -> Outbox:
    """An outbox whose log has rolled over its first records."""
    while orders.log.oldest() == 1:
        numbered(orders, 40, note="x" * 100_000)
    return orders


def test_a_beginning_that_was_rolled_over_is_refused(rolled: Outbox) -> None:
    with pytest.raises(HistoryLost) as lost:
        started(rolled, "beginning")

    assert (lost.value.expected, lost.value.oldest) == (1, rolled.log.oldest())


def test_oldest_starts_at_what_the_log_still_holds(rolled: Outbox) -> None:
    oldest, head = rolled.log.oldest(), rolled.log.head()
    assert started(rolled, "oldest") == list(range(oldest, head + 1))


def test_a_cursor_just_before_the_oldest_record_goes_on(rolled: Outbox) -> None:
    oldest, head = rolled.log.oldest(), rolled.log.head()
    given_cursor(rolled, oldest - 1, id=ObjectId())

    assert started(rolled, "beginning") == list(range(oldest, head + 1))


def test_a_cursor_whose_next_record_was_rolled_over_is_an_error(rolled: Outbox) -> None:
    given_cursor(rolled, 1, id=ObjectId())

    with pytest.raises(HistoryLost):
        started(rolled, "oldest")


def test_a_cursor_of_another_log_is_refused(orders: Outbox) -> None:
    numbered(orders, 3)
    given_cursor(orders, 2, id=ObjectId())

    with pytest.raises(CursorMismatch, match="relay cursor set"):
        started(orders, "beginning")


def test_a_cursor_beyond_the_log_is_refused(orders: Outbox) -> None:
    numbered(orders, 3)
    given_cursor(orders, 9, id=ObjectId())

    with pytest.raises(CursorMismatch, match="newest record is 3"):
        started(orders, "beginning")


def test_an_outbox_that_was_never_created_is_refused(database: Database[Document]) -> None:
    with Outbox(database, "other") as outbox, pytest.raises(OutboxNotCreated, match="create"):
        run_once(Relay(outbox, MemorySink()))
