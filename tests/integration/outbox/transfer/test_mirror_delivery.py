"""A mirror's position is at its destination: whoever dies, freezes or loses an answer, nothing comes twice."""

from __future__ import annotations

import random
import threading
from typing import Any

import pytest
from pymongo.database import Database
from pymongo.errors import AutoReconnect, PyMongoError

from outbox import LeaseLost, Outbox
from outbox.consumers import in_transaction
from outbox.dead_letters.admin import DeadLetterAdmin, Selection
from outbox.dead_letters.requeued import RequeuedLetters
from outbox.log.cursors import CursorStore
from outbox.shares.share import ALL
from outbox.transfer.mirror_delivery import MirrorDelivery
from outbox.transfer.mirror_target import MirrorTarget
from outbox.transfer.mirroring import MirrorConfig
from outbox.transfer.original import Originals
from tests.actors.archiving import put
from tests.actors.mirrors import run_once, running
from tests.actors.order_service import StockCounted
from tests.actors.transferring import another, messages
from tests.doubles.crashes import Crash
from tests.waiting import wait_until

READER = "mirror:copy"


def test_a_crash_before_the_cursor_is_saved_brings_nothing_twice(
    orders: Outbox, copy: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(orders, 10)
    with monkeypatch.context() as patch:
        patch.setattr(CursorStore, "save", lambda *_: (_ for _ in ()).throw(Crash()))
        with pytest.raises(Crash):
            run_once(orders, copy)
    assert [each.position for each in orders.readers()] == [0]
    put(orders, 10)
    run_once(orders, copy)

    assert messages(copy) == messages(orders)


def test_an_answer_that_was_lost_brings_nothing_twice(
    orders: Outbox, copy: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    transact, lost = in_transaction.transact, []

    def without_answer(*arguments: Any) -> Any:
        done = transact(*arguments)
        if not lost:
            lost.append(1)
            raise AutoReconnect("no answer came")
        return done

    put(orders, 3)
    monkeypatch.setattr(in_transaction, "transact", without_answer)
    run_once(orders, copy)

    assert lost
    assert messages(copy) == messages(orders)


class Frozen:
    """A process that mirrors, has the next record in an open transaction, and is then frozen."""

    def __init__(self, orders: Outbox, copy: Outbox) -> None:
        self._lease = orders.collections.lease(READER)
        assert self._lease.acquire()
        config = MirrorConfig(orders, "copy", "oldest", "stop", random.random, copy.collections)
        target = config.target(threading.Event())
        assert isinstance(target, MirrorTarget)
        self._delivery = config.delivery(target, ALL)
        assert isinstance(self._delivery, MirrorDelivery)
        restart = self._delivery.restart(self._lease)
        seq = restart((0, None, None))[0] + 1
        reader = orders.reader(seq)
        [(_, self._record)] = next(iter(Originals().encode_plain(reader.read_batches()[0], ALL) or []))[0]
        reader.close()
        self._session = self._delivery.session()
        self._session.start_transaction()
        target._put([self._record], self._session)
        self._delivery.commit([self._record], self._session)
        self._lease.release()  # as if its time were over: the next holder has a higher fence

    def thaw(self) -> None:
        self._session.commit_transaction()

    def die(self) -> None:
        self._session.abort_transaction()

    def begin_again(self) -> None:
        session = self._delivery.progress._cursors.database.client.start_session()
        with session, session.start_transaction():
            self._delivery.commit([self._record], session)


def test_one_that_was_frozen_holds_up_nobody_and_commits_nothing_once_it_thaws(orders: Outbox, copy: Outbox) -> None:
    put(orders, 1)
    run_once(orders, copy)
    put(orders, 1)
    frozen = Frozen(orders, copy)
    with running(orders, copy):
        try:
            wait_until(lambda: copy.sequence() == 1, 20, "the next one to go on")
        except AssertionError:
            frozen.die()
            raise

    with pytest.raises(PyMongoError):
        frozen.thaw()
    with pytest.raises(LeaseLost):
        frozen.begin_again()
    assert messages(copy) == messages(orders)


def test_two_at_once_bring_each_message_once(orders: Outbox, copy: Outbox) -> None:
    with running(orders, copy), running(orders, copy):
        for _ in range(5):
            put(orders, 20)
        wait_until(lambda: copy.sequence() + copy.log.head() >= 100, 60, "all of them")

    run_once(orders, copy)
    assert messages(copy) == messages(orders)


def test_a_destination_that_is_behind_the_cursor_gets_again_what_it_has_lost(orders: Outbox, copy: Outbox) -> None:
    put(orders, 3)
    run_once(orders, copy)
    [position] = copy.collections.mirrors.find()
    put(orders, 2)
    run_once(orders, copy)
    copy.collections.mirrors.update_one({}, {"$set": {"seq": position["seq"], "id": position["id"]}})
    run_once(orders, copy)

    assert [record.headers["origin-seq"] for record in copy.read()] == ["1", "2", "3", "4", "5", "4", "5"]


def test_a_letter_that_had_arrived_before_a_crash_is_not_brought_again(
    orders: Outbox, database: Database[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    few = Outbox(database, "few", messages=[StockCounted], sequence=False)
    few.create()
    put(orders, 1)
    run_once(orders, few, on_poison="park-key")
    with another(database, "few") as more:
        DeadLetterAdmin(orders.collections, "mirror:few").requeue(Selection())
        with monkeypatch.context() as patch:
            patch.setattr(RequeuedLetters, "save", lambda *_: (_ for _ in ()).throw(Crash()))
            with pytest.raises(Crash):
                run_once(orders, more, on_poison="park-key")
        assert orders.collections.dead.count_documents({}) == 1
        run_once(orders, more, on_poison="park-key")

        assert messages(more) == messages(orders)
        assert orders.collections.dead.count_documents({}) == 0
