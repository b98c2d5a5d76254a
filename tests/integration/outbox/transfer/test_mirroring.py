"""A mirror brings each message over once, in order, and remembers where it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pymongo.database import Database

from outbox import CursorMismatch, HistoryLost, Outbox, OutboxNotCreated, PoisonMessage
from outbox.archive import Archive
from outbox.clock import SystemClock
from outbox.dead_letters.admin import DeadLetterAdmin, Selection
from outbox.errors import InvalidArgument
from outbox.shares.cursor_admin import forget, move
from outbox.shares.layout import set_shares
from tests.actors.archiving import filled, put
from tests.actors.mirrors import run_once, running
from tests.actors.order_service import StockCounted, placed, totals
from tests.actors.small_log import small_outbox
from tests.actors.transferring import another, exported, imported, messages
from tests.waiting import wait_until


def test_what_comes_is_brought_over_with_where_it_is_from(orders: Outbox, copy: Outbox) -> None:
    put(orders, 3)
    with running(orders, copy):
        wait_until(lambda: copy.sequence() == 3, 30, "the first")
        put(orders, 2)
        wait_until(lambda: copy.sequence() == 2, 30, "what came")

    assert messages(copy) == messages(orders)
    assert [record.headers["origin-seq"] for record in copy.read()] == ["1", "2", "3", "4", "5"]


def test_it_is_a_durable_reader_by_the_name_of_its_destination(orders: Outbox, copy: Outbox) -> None:
    put(orders, 3)
    run_once(orders, copy)
    run_once(orders, copy, name="b")

    assert [(each.id, each.position) for each in orders.readers()] == [("mirror:b", 3), ("mirror:copy", 3)]
    assert totals(copy.read()) == [0, 1, 2] * 2


def test_it_goes_on_where_it_was(orders: Outbox, copy: Outbox) -> None:
    for _ in range(3):
        put(orders, 2)
        run_once(orders, copy)

    assert messages(copy) == messages(orders)


def test_two_that_mirror_each_other_end(orders: Outbox, copy: Outbox) -> None:
    put(orders, 2)
    put(copy, 1)
    for _ in range(2):
        run_once(orders, copy)
        run_once(copy, orders)
        orders.sequence()

    assert (totals(orders.read()), totals(copy.read())) == ([0, 1, 0], [0, 0, 1])


def test_what_was_imported_before_is_not_put_again(orders: Outbox, copy: Outbox) -> None:
    put(orders, 2)
    imported(copy, exported(orders))
    put(orders, 1)
    run_once(orders, copy)

    assert messages(copy) == messages(orders)


def test_with_an_archive_it_begins_with_what_the_log_has_forgotten(
    database: Database[Any], copy: Outbox, tmp_path: Path
) -> None:
    orders = small_outbox(database)
    archive = filled(orders, tmp_path)
    with pytest.raises(HistoryLost):
        run_once(orders, copy, start="beginning")
    run_once(orders, copy, history=archive)

    assert [record.headers["origin-seq"] for record in copy.read()] == list(map(str, range(1, 13)))


def test_a_message_that_is_refused_stops_it_and_what_comes_before_it_is_there(
    orders: Outbox, database: Database[Any]
) -> None:
    few = Outbox(database, "few", messages=[StockCounted], sequence=False)
    few.create()
    orders.put([StockCounted(count=1), placed(2), StockCounted(count=3)], standalone=True)
    orders.sequence()
    with pytest.raises(PoisonMessage, match=r"seq 2 .*no message type 'order.placed' here; there is stock.counted"):
        run_once(orders, few)
    few.sequence()
    assert [record.data for record in few.read()] == [{"count": 1}]

    with another(database, "few") as more:
        run_once(orders, more)
        assert messages(more) == messages(orders)


def test_put_aside_it_is_sent_later_once_before_what_is_parked_behind_it(
    orders: Outbox, database: Database[Any]
) -> None:
    few = Outbox(database, "few", messages=[StockCounted], sequence=False)
    few.create()
    orders.put([StockCounted(count=1), placed(2), placed(3), StockCounted(count=4)], standalone=True)
    orders.sequence()
    run_once(orders, few, on_poison="park-key")
    assert [record.data for record in few.read()] == [{"count": 1}, {"count": 4}]

    with another(database, "few") as more:
        DeadLetterAdmin(orders.collections, "mirror:few").requeue(Selection())
        run_once(orders, more, on_poison="park-key")
        run_once(orders, more, on_poison="park-key")
        assert [record.headers["origin-seq"] for record in more.read()] == ["1", "4", "2", "3"]


def test_a_reset_is_followed_and_puts_again(orders: Outbox, copy: Outbox) -> None:
    put(orders, 3)
    run_once(orders, copy)
    move(orders.collections, "mirror:copy", 2, SystemClock())
    run_once(orders, copy)
    run_once(orders, copy)

    assert totals(copy.read()) == [0, 1, 2, 2]


def test_a_cursor_that_was_forgotten_goes_on_after_what_is_there(orders: Outbox, copy: Outbox) -> None:
    put(orders, 3)
    run_once(orders, copy)
    forget(orders.collections, "mirror:copy", SystemClock())
    put(orders, 1)
    run_once(orders, copy)

    assert messages(copy) == messages(orders)


def test_a_destination_that_was_made_anew_is_not_taken_for_the_old_one(orders: Outbox, copy: Outbox) -> None:
    put(orders, 3)
    run_once(orders, copy)
    copy.drop()
    copy.create()

    with pytest.raises(CursorMismatch, match="is another log, or has forgotten it") as mismatch:
        run_once(orders, copy)
    assert any("reset mirror:copy --to" in note for note in mismatch.value.__notes__)
    move(orders.collections, "mirror:copy", "earliest", SystemClock())
    run_once(orders, copy)
    assert messages(copy) == messages(orders)


def test_an_outbox_is_not_mirrored_into_itself_nor_into_none(orders: Outbox, database: Database[Any]) -> None:
    with pytest.raises(InvalidArgument, match="into itself"):
        run_once(orders, orders)
    with pytest.raises(OutboxNotCreated):
        run_once(orders, Outbox(database, "none"))


def test_it_has_one_writer(orders: Outbox, copy: Outbox) -> None:
    put(orders, 1)
    run_once(orders, copy)

    with pytest.raises(InvalidArgument, match="a mirror has one writer"):
        set_shares(orders.collections, "mirror:copy", 2)


def test_an_archive_that_is_not_there_changes_nothing(orders: Outbox, copy: Outbox, tmp_path: Path) -> None:
    put(orders, 2)
    run_once(orders, copy, history=Archive(tmp_path))

    assert messages(copy) == messages(orders)
