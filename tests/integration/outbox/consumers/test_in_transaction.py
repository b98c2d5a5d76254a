"""A handler in a transaction: its writes and the reader's position commit together, once for each message."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest
from pymongo.client_session import ClientSession
from pymongo.database import Database
from pymongo.errors import OperationFailure

from outbox import Outbox, PoisonMessage, Record
from outbox.consumers.in_transaction import WithEffects
from outbox.dead_letters.admin import DeadLetterAdmin, Selection
from outbox.dead_letters.requeued import RequeuedLetters
from outbox.log.cursors import CursorStore
from outbox.log.position import Position
from outbox.mongo.lease import Lease
from outbox.shares.layout import load, request_shares, share_cursor
from tests.actors.order_service import new_outbox, placed
from tests.actors.running import put, running
from tests.waiting import wait_until

BATCH = pytest.mark.parametrize("batch", [1, 3])


class Effects:
    """Writes one document a message, and fails as it is told after that."""

    def __init__(self, orders: Outbox) -> None:
        self.collection = orders.collections.database.effects
        self.collection.insert_one({"_id": 0})
        self.fails: dict[int, list[Exception]] = {}

    def __call__(self, record: Record[Any], session: ClientSession) -> None:
        self.collection.insert_one({"_id": record.seq, "total": record.data["total"]}, session=session)
        if self.fails.get(record.seq):
            raise self.fails[record.seq].pop(0)

    @property
    def seqs(self) -> list[int]:
        return [each["_id"] for each in self.collection.find({"_id": {"$gt": 0}}, sort=[("$natural", 1)])]


@pytest.fixture
def effects(orders: Outbox) -> Effects:
    return Effects(orders)


@BATCH
def test_each_message_has_its_effect_once_and_in_order(orders: Outbox, effects: Effects, batch: int) -> None:
    put(orders, *(placed(total) for total in range(1, 8)))
    billing = orders.consumer("billing")

    with running(billing, effects, batch=batch):
        wait_until(lambda: billing.position() == 7, 20, "the position")
        assert effects.seqs == [1, 2, 3, 4, 5, 6, 7]


@BATCH
def test_the_position_moves_with_the_effect_and_no_later(orders: Outbox, batch: int) -> None:
    put(orders, placed(1), placed(2), placed(3))
    effects, billing = Effects(orders), orders.consumer("billing")
    seen: list[int | None] = []

    def look(record: Record[Any], session: ClientSession) -> None:
        seen.append(billing.position())
        effects(record, session)

    with running(billing, look, batch=batch):
        wait_until(lambda: billing.position() == 3, 20, "the position")

    assert seen == ([0, 1, 2] if batch == 1 else [0, 0, 0])


@BATCH
def test_what_a_failed_attempt_wrote_is_taken_back(orders: Outbox, effects: Effects, batch: int) -> None:
    put(orders, placed(1), placed(2), placed(3))
    effects.fails[2] = [ValueError("no"), ValueError("no")]
    billing = orders.consumer("billing")

    with running(billing, effects, batch=batch):
        wait_until(lambda: billing.position() == 3, 20, "the position")

    assert effects.seqs == [1, 2, 3]


@BATCH
def test_an_error_that_asks_for_the_transaction_again_gets_it(orders: Outbox, effects: Effects, batch: int) -> None:
    put(orders, placed(1), placed(2))
    conflict = OperationFailure("write conflict", 112, {"errorLabels": ["TransientTransactionError"]})
    effects.fails[2] = [conflict]
    billing = orders.consumer("billing", attempts=1)

    with running(billing, effects, batch=batch):
        wait_until(lambda: billing.position() == 2, 20, "the position")

    assert effects.seqs == [1, 2]


@BATCH
def test_only_the_message_to_blame_is_given_up(orders: Outbox, effects: Effects, batch: int) -> None:
    put(orders, *(placed(total, order_id=str(total)) for total in range(1, 6)))
    effects.fails[3] = [ValueError("no")] * 9
    billing = orders.consumer("billing", attempts=2)

    with running(billing, effects, batch=batch):
        wait_until(lambda: billing.position() == 5, 20, "the position")

    assert effects.seqs == [1, 2, 4, 5]
    assert [each["seq"] for each in DeadLetterAdmin(orders.collections, billing.id).letters(Selection())] == [3]


@BATCH
def test_a_requeued_letter_goes_with_its_effect(
    orders: Outbox, effects: Effects, batch: int, soon_looking: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Goes red when letters are removed only after the effect: by then the process may be gone, and it comes again."""
    put(orders, placed(1), placed(2))
    effects.fails[1] = [ValueError("no")] * (1 if batch == 1 else 2)
    billing = orders.consumer("billing", attempts=1)
    admin = DeadLetterAdmin(orders.collections, billing.id)
    with running(billing, effects, batch=batch):
        wait_until(lambda: admin.count("parked") == 1, 20, "the letters")
    admin.requeue(Selection())
    monkeypatch.setattr("outbox.dead_letters.requeued.RequeuedLetters.save", lambda *_: None)

    with running(billing, effects, batch=batch):
        wait_until(lambda: effects.seqs == [1, 2], 20, "the effects")

    assert list(admin.letters(Selection())) == []


def test_a_holder_whose_time_is_over_commits_nothing(orders: Outbox, effects: Effects) -> None:
    put(orders, placed(1))
    billing = orders.consumer("billing")
    cursors = share_cursor(orders.collections.cursors, billing.id)

    def overtaken(record: Record[Any], session: ClientSession) -> None:
        if cursors.load() == (0, None, None):
            other = Lease(orders.collections.leases, billing.id, owner="other")
            leases = orders.collections.leases
            leases.update_one({"_id": billing.id}, {"$set": {"owner": None}})
            assert other.acquire()
            cursors.claim(other.fence)
            billing.stop()
        effects(record, session)

    with running(billing, overtaken, batch=1) as work:
        work.thread.join(20)

    assert effects.seqs == []
    assert billing.position() == 0


def test_the_saver_never_takes_the_position_back(orders: Outbox) -> None:
    put(orders, placed(1), placed(2))
    lease = Lease(orders.collections.leases, "consumer:billing")
    assert lease.acquire()
    cursors: CursorStore = share_cursor(orders.collections.cursors, "consumer:billing")
    cursors.register((2, None, None), lease)

    cursors.advance((1, None, None), lease.fence)

    assert cursors.load() == (2, None, None)


def test_what_a_transaction_has_committed_is_not_saved_again(
    orders: Outbox, effects: Effects, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Goes red when it is: the write conflicts with the next transaction, and its handler is called once more."""
    saved: list[Position] = []
    monkeypatch.setattr(CursorStore, "advance", lambda _, position, fence: saved.append(position))
    put(orders, *(placed(n) for n in range(1, 31)))
    billing = orders.consumer("billing")

    with running(billing, effects, batch=10):
        wait_until(lambda: billing.position() == 30, 20, "the position")

    assert [position[0] for position in saved if position[0]] == []


def test_a_transaction_that_failed_moves_no_position_when_one_of_letters_is_committed(orders: Outbox) -> None:
    """Goes red when it does: a record that was parked then is read again, and handled twice, with its letter."""
    put(orders, placed(1), placed(2))
    (_, second) = orders.read()
    lease = Lease(orders.collections.leases, "consumer:billing")
    assert lease.acquire()
    cursors: CursorStore = share_cursor(orders.collections.cursors, "consumer:billing")
    cursors.register((1, None, None), lease)
    delivery = WithEffects(orders, cursors)
    delivery.restart(lease)
    delivery.writes([second])  # and it fails
    letters = SimpleNamespace(removal=lambda records: None)

    delivery.restart_letters(lease, cast(RequeuedLetters, letters))
    delivery.writes([second])
    delivery.committed()
    delivery.save((2, second.created, second.id), lease.fence)

    assert cursors.load() == (2, second.created, second.id)


def test_a_message_goes_from_one_outbox_to_another_in_the_transaction(
    orders: Outbox, database: Database[dict[str, Any]]
) -> None:
    put(orders, placed(1), placed(2))
    with new_outbox(database, name="shipments", sequence=False) as shipments:
        billing = orders.consumer("billing")

        with running(billing, lambda record, session: shipments.put(record.message, session=session), batch=1):
            wait_until(lambda: billing.position() == 2, 20, "the position")
        shipments.sequence()

        assert [record.message.total for record in shipments.read()] == [1, 2]


def test_records_that_are_left_out_move_the_position_too(orders: Outbox, effects: Effects) -> None:
    put(orders, placed(1), placed(2), placed(3))
    billing = orders.consumer("billing", key="nobody's")

    with running(billing, effects, batch=1):
        wait_until(lambda: billing.position() == 3, 20, "the position")

    assert effects.seqs == []


def test_it_keeps_the_right_position_when_the_number_of_shares_was_changed_and_changed_back(
    orders: Outbox, effects: Effects, soon: None
) -> None:
    put(orders, placed(1))
    billing = orders.consumer("billing")

    with running(billing, effects, batch=1):
        for seq, count in enumerate((2, 1), start=2):
            wait_until(lambda seq=seq: billing.position() == seq - 1, 20, "the position")
            assert request_shares(orders.collections, billing.id, count)
            wait_until(lambda count=count: load(orders.collections, billing.id).shares == count, 60, "the shares")
            put(orders, placed(seq))
        wait_until(lambda: billing.position() == 3, 20, "the position")

    assert effects.seqs == [1, 2, 3]


@BATCH
def test_a_handler_that_ends_its_transaction_has_failed(orders: Outbox, effects: Effects, batch: int) -> None:
    """Goes red when the position moves apart from the effect: one that was aborted would never come again."""
    put(orders, placed(1), placed(2))
    billing = orders.consumer("billing", attempts=1, on_poison="stop")

    def aborted(record: Record[Any], session: ClientSession) -> None:
        effects(record, session)
        session.abort_transaction()

    with running(billing, aborted, batch=batch) as work:
        error = work.fails()

    assert isinstance(error, PoisonMessage)
    assert "ended the transaction" in str(error)
    assert billing.position() == 0
    assert effects.seqs == []
