"""The header of a projection: it is written once, kept by whoever moves the cursor, and checked."""

from __future__ import annotations

import pytest

from outbox import CursorMismatch, Outbox
from outbox.projections.header import Header, HeaderStore
from tests.actors.order_service import placed
from tests.actors.projecting import caught_up, revenue
from tests.actors.running import put


@pytest.fixture
def header(orders: Outbox) -> HeaderStore:
    put(orders, placed(1, "a"), placed(2, "b"))
    caught_up(revenue(orders, by="key"))
    return HeaderStore(orders.collections, "projection:revenue")


def test_it_says_the_version_and_since_when(header: HeaderStore) -> None:
    assert header.load() == Header(1, 1)


def test_one_that_is_there_stays(header: HeaderStore) -> None:
    header.begin(Header(7, 7))

    assert header.ensure(3) == Header(1, 1)


def test_it_survives_a_reset(orders: Outbox, header: HeaderStore) -> None:
    revenue(orders, by="key").reset(1)

    assert header.load() == Header(1, 1)


def test_a_cursor_without_one_gets_it(orders: Outbox, header: HeaderStore) -> None:
    orders.collections.cursors.update_one({}, {"$unset": {"projection": 1}})

    assert header.load() is None
    assert header.ensure(4) == Header(4, 3)


def test_without_a_cursor_there_is_none(orders: Outbox, header: HeaderStore) -> None:
    orders.collections.cursors.delete_many({})

    assert header.ensure(1) is None


@pytest.mark.parametrize("stored", [None, 3, {}, {"version": 0, "since": 1}, {"version": 1, "since": "1"}])
def test_one_that_nobody_has_written_so_is_named(orders: Outbox, header: HeaderStore, stored: object) -> None:
    orders.collections.cursors.update_one({}, {"$set": {"projection": stored}})

    with pytest.raises(CursorMismatch, match="the field 'projection' of 'projection:revenue'"):
        header.load()
