"""What the test kit says of what was published, for Outbox, AsyncOutbox and MemoryOutbox, by one text."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from outbox import UnknownMessage, WaitTimeout
from outbox.testing import assert_published, drain
from tests.actors.faces import Face
from tests.actors.order_service import OrderCancelled, OrderPlaced, placed
from tests.actors.running import Handled
from tests.waiting import wait_until


def put(face: Face, *messages: Any) -> None:
    """Puts them and numbers nothing."""
    for message in messages:
        face.call(face.outbox.put, message, standalone=True)


def test_the_newest_message_with_these_fields_is_returned(face: Face) -> None:
    put(face, placed(1, "a"), placed(2, "a"), placed(3, "b"), OrderCancelled(order_id="a"))

    record = face.call(assert_published, face.outbox, OrderPlaced, order_id="a")

    assert record.message == placed(2, "a")
    assert face.call(assert_published, face.outbox, OrderPlaced).seq == 3
    assert face.call(assert_published, face.outbox, OrderPlaced, order_id="a", total=1).seq == 1
    assert face.call(assert_published, face.outbox, "order.cancelled", order_id="a").seq == 4


def test_what_was_published_instead_is_shown(face: Face) -> None:
    put(face, placed(1, "a"), OrderCancelled(order_id="z"))

    with pytest.raises(AssertionError) as missing:
        face.call(assert_published, face.outbox, OrderPlaced, order_id="b", totl=1)

    text = str(missing.value)
    assert "no order.placed, order_id='b', totl=1 was published" in text
    assert "seq 1 order.placed, key 'a': {'order_id': 'a', 'total': 1} (order_id='a', has no totl)" in text
    assert "seq 2 order.cancelled, key 'z'" in text


def test_nothing_published_is_said_so(face: Face) -> None:
    with pytest.raises(AssertionError, match="no order.placed was published. Of its type there are: none"):
        face.call(assert_published, face.outbox, OrderPlaced)
    with pytest.raises(UnknownMessage):
        face.call(assert_published, face.outbox, Face)


def test_draining_numbers_what_was_put_and_returns_it(face: Face) -> None:
    put(face, placed(1), placed(2))

    assert [record.message.total for record in face.call(drain, face.outbox)] == [1, 2]
    put(face, placed(3))
    assert [record.seq for record in face.call(drain, face.outbox)] == [1, 2, 3]


def test_draining_waits_for_the_consumers_that_run(face: Face) -> None:
    handled = Handled()
    consumer = face.call(face.outbox.consumer, "billing")
    with face.running(consumer, handled):
        put(face, placed(1))
        handled.sees(1)
        put(face, placed(2), placed(3))
        face.call(drain, face.outbox, 30.0)
        assert handled.seqs == [1, 2, 3]
    put(face, placed(4))
    assert len(face.call(drain, face.outbox)) == 4  # nobody runs any more


def test_what_does_not_settle_is_said(face: Face) -> None:
    go_on = threading.Event()
    consumer = face.call(face.outbox.consumer, "billing")
    face.put(placed(1))

    def handle(record: Any) -> None:
        go_on.wait(30)

    with face.running(consumer, handle):
        wait_until(lambda: face.call(face.outbox.readers), 30, "it to begin")
        try:
            with pytest.raises(WaitTimeout, match="not settled within 0.1 s: consumer:billing is at seq 0 of 1"):
                face.call(drain, face.outbox, 0.1)
        finally:
            go_on.set()
