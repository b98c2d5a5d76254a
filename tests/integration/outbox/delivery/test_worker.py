"""A worker that holds its lease: it delivers a share of the log, and the dead letters that were requeued before it."""

from __future__ import annotations

import logging
import random
import threading

import pytest

from outbox import Outbox
from outbox.dead_letters.admin import Selection
from outbox.dead_letters.policy import OnPoison
from outbox.delivery.retry import Retry
from outbox.delivery.worker import Worker
from outbox.errors import LeaseLost, PoisonMessage, Verdict
from outbox.shares.reader_logger import ReaderLogger
from relay import Topics
from relay.config import RelayConfig
from relay.testing import MemorySink
from tests.actors.order_service import placed
from tests.actors.price_service import dead_letter_admin, refuse, states
from tests.actors.relay_thread import cursor_of, numbered, saved_seq, seqs
from tests.waiting import wait_until


class Scene:
    """A worker over the whole log, under a lease that it holds."""

    def __init__(self, orders: Outbox, on_poison: OnPoison = "stop") -> None:
        self.sink = MemorySink()
        self.stop = threading.Event()
        self.config = RelayConfig(orders, "kafka", "beginning", on_poison, random.random, Topics())
        self.worker = Worker(self.config, self.sink)
        self.lease = orders.collections.lease("relay:kafka")
        assert self.lease.acquire()

    def run_once(self) -> None:
        self.worker.run(self.lease, Retry(ReaderLogger("relay:kafka", "a test"), self.stop, random.random), once=True)


def test_before_the_first_start_it_has_reached_nothing(orders: Outbox) -> None:
    scene = Scene(orders)

    assert scene.worker.reached(scene.lease) is None
    assert not scene.config.has_begun.is_set()


def test_once_delivers_all_that_the_log_has_and_saves_how_far(orders: Outbox) -> None:
    numbered(orders, 3)
    scene = Scene(orders)

    scene.run_once()

    assert (seqs(scene.sink), saved_seq(orders)) == ([1, 2, 3], 3)
    reached = scene.worker.reached(scene.lease)
    assert reached is not None
    assert reached[0] == 3


def test_the_lease_stays_held(orders: Outbox) -> None:
    numbered(orders, 1)
    scene = Scene(orders)

    scene.run_once()

    scene.lease.check()


def test_it_works_until_it_is_told_to_stop(orders: Outbox) -> None:
    numbered(orders, 1)
    scene = Scene(orders)
    thread = threading.Thread(target=scene.worker.work, args=(scene.lease, scene.stop))
    thread.start()
    try:
        wait_until(lambda: seqs(scene.sink) == [1], 30, "the first record")
        orders.put(placed(2), standalone=True)
        orders.sequence()
        wait_until(lambda: seqs(scene.sink) == [1, 2], 30, "what came later")
    finally:
        scene.stop.set()
        thread.join(60)

    assert not thread.is_alive()
    assert saved_seq(orders) == 2


def test_a_message_that_nobody_can_deliver_stops_it_with_what_to_do_about_it(orders: Outbox) -> None:
    numbered(orders, 3)
    scene = Scene(orders)
    refuse(scene.sink, 2)

    with pytest.raises(PoisonMessage) as poison:
        scene.run_once()

    assert poison.value.seq == 2
    assert any("relay cursor set" in note for note in poison.value.__notes__)
    assert saved_seq(orders) == 1


def test_told_to_it_puts_such_a_message_aside_and_goes_on(orders: Outbox) -> None:
    numbered(orders, 3)
    scene = Scene(orders, "dead-letter")
    refuse(scene.sink, 2)

    scene.run_once()

    assert (seqs(scene.sink), states(orders), saved_seq(orders)) == ([1, 3], {2: "dead"}, 3)


def test_requeued_letters_go_before_what_is_new_in_the_log(orders: Outbox) -> None:
    numbered(orders, 2)
    first = Scene(orders, "dead-letter")
    refuse(first.sink, 1)
    first.run_once()
    dead_letter_admin(orders).requeue(Selection())
    numbered(orders, 1)
    refuse(first.sink)
    first.sink.records.clear()

    first.run_once()

    assert (seqs(first.sink), states(orders)) == ([1, 3], {})


def test_a_worker_that_was_taken_over_delivers_nothing(orders: Outbox) -> None:
    numbered(orders, 1)
    scene = Scene(orders)
    orders.collections.cursors.insert_one(
        {"_id": "relay:kafka", "seq": 0, "created": None, "id": None, "fence": scene.lease.fence + 1}
    )

    with pytest.raises(LeaseLost):
        scene.run_once()

    assert seqs(scene.sink) == []


def test_a_worker_that_was_taken_over_sends_no_requeued_letter(orders: Outbox) -> None:
    numbered(orders, 2)
    scene = Scene(orders, "dead-letter")
    refuse(scene.sink, 1)
    scene.run_once()
    dead_letter_admin(orders).requeue(Selection())
    refuse(scene.sink)
    orders.collections.cursors.update_one({"_id": "relay:kafka"}, {"$inc": {"fence": 1}})

    with pytest.raises(LeaseLost):
        scene.run_once()

    assert (seqs(scene.sink), states(orders)) == ([2], {1: "dead"})


def test_a_broker_that_fails_for_a_while_makes_it_send_again(orders: Outbox, caplog: pytest.LogCaptureFixture) -> None:
    numbered(orders, 1)
    scene = Scene(orders)
    scene.sink.refused = {1: Verdict.RETRY}
    thread = threading.Thread(target=scene.run_once)
    with caplog.at_level(logging.WARNING, "relay"):
        thread.start()
        wait_until(lambda: scene.sink.opened >= 2, 30, "another try")
        scene.sink.refused = {}
        thread.join(60)

    assert seqs(scene.sink) == [1]
    assert cursor_of(orders) is not None
    assert any("again in" in each.getMessage() for each in caplog.records)
