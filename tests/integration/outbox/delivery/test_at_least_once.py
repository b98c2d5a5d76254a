"""Delivery at least once: where it goes on is the cursor in MongoDB, and nothing else is asked or kept."""

from __future__ import annotations

import pytest
from bson import Int64, ObjectId

from outbox import Outbox
from outbox.dead_letters.store import DeadLetterStore
from outbox.delivery.at_least_once import AtLeastOnce
from outbox.errors import CursorMismatch, LeaseLost
from outbox.shares.layout import share_cursor
from tests.actors.relay_thread import cursor_of, given_cursor, numbered, saved_seq


class Reader:
    """A durable reader of `orders` that holds its lease."""

    def __init__(self, orders: Outbox) -> None:
        cursors = share_cursor(orders.collections.cursors, "relay:kafka")
        self.delivery = AtLeastOnce(orders, cursors)
        self.lease = orders.collections.lease("relay:kafka")
        assert self.lease.acquire()
        self.letters = DeadLetterStore(orders.collections, cursors, self.lease.fence, "stop")


@pytest.fixture
def reader(orders: Outbox) -> Reader:
    numbered(orders, 3)
    return Reader(orders)


def test_before_the_first_start_there_is_no_position(reader: Reader) -> None:
    assert reader.delivery.position(reader.lease, reader.letters) is None


def test_it_goes_on_from_the_cursor(orders: Outbox, reader: Reader) -> None:
    record = orders.log.record_at(2)
    assert record is not None
    given_cursor(orders, 2, created=record.created, id=record.id)

    assert reader.delivery.position(reader.lease, reader.letters) == (2, record.created, record.id)


def test_taking_over_puts_its_fence_into_the_cursor(orders: Outbox, reader: Reader) -> None:
    given_cursor(orders, 0)

    reader.delivery.position(reader.lease, reader.letters)

    cursor = cursor_of(orders)
    assert cursor is not None
    assert cursor["fence"] == reader.lease.fence


def test_a_cursor_that_names_another_record_is_refused(orders: Outbox, reader: Reader) -> None:
    given_cursor(orders, 2, id=ObjectId())

    with pytest.raises(CursorMismatch):
        reader.delivery.position(reader.lease, reader.letters)


def test_whoever_was_taken_over_since_has_no_position(orders: Outbox, reader: Reader) -> None:
    given_cursor(orders, 0, fence=Int64(reader.lease.fence + 1))

    with pytest.raises(LeaseLost):
        reader.delivery.position(reader.lease, reader.letters)


def test_to_begin_saves_nothing_when_the_cursor_is_here_already(orders: Outbox, reader: Reader) -> None:
    given_cursor(orders, 1)
    reader.delivery.position(reader.lease, reader.letters)

    reader.delivery.begin((2, None, None), reader.lease)

    assert saved_seq(orders) == 1


def test_after_a_failure_it_goes_on_from_what_was_acknowledged_last(reader: Reader) -> None:
    assert reader.delivery.restart(reader.lease)((2, None, None)) == (2, None, None)


def test_requeued_letters_need_not_wait_for_the_log(reader: Reader) -> None:
    assert reader.delivery.rest(reader.lease, reader.letters)
