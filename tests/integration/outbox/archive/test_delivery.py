"""Where an archive goes on: where it ends, whatever its cursor says, and never with another log."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pymongo.database import Database

from outbox import CursorMismatch, HistoryLost, Outbox
from outbox.archive import Archive
from outbox.clock import SystemClock
from outbox.delivery.at_least_once import AtLeastOnce
from outbox.shares.cursor_admin import forget
from tests.actors.archives import store
from tests.actors.archiving import is_all_of_the_log, put, run_once
from tests.actors.order_service import new_outbox, placed
from tests.actors.small_log import make_log_anew, small_outbox
from tests.doubles.crashes import Crash


@pytest.fixture
def orders(database: Database[Any]) -> Iterator[Outbox]:
    with new_outbox(database) as orders:
        yield orders


def test_a_crash_before_the_position_is_saved_stores_nothing_twice(
    orders: Outbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(orders, 10)
    with monkeypatch.context() as patch:
        patch.setattr(AtLeastOnce, "save", lambda *_: (_ for _ in ()).throw(Crash()))
        with pytest.raises(Crash):
            run_once(orders, Archive(tmp_path))
    assert Archive(tmp_path).head == 10
    put(orders, 10)
    run_once(orders, Archive(tmp_path))

    assert [(entry.first, entry.last) for entry in Archive(tmp_path).chunks()] == [(1, 10), (11, 20)]


def test_a_chunk_that_was_lost_is_stored_again_while_the_log_has_it(orders: Outbox, tmp_path: Path) -> None:
    for _ in range(2):
        put(orders, 10)
        run_once(orders, Archive(tmp_path))
    newest = Archive(tmp_path).chunks()[-1]
    Archive(tmp_path).manifest.remove(newest)
    run_once(orders, Archive(tmp_path))

    assert is_all_of_the_log(Archive(tmp_path), orders)


def test_without_its_cursor_it_goes_on_where_the_archive_ends(orders: Outbox, tmp_path: Path) -> None:
    put(orders, 10)
    run_once(orders, Archive(tmp_path))
    forget(orders.collections, "archive:main", SystemClock())
    put(orders, 10)
    run_once(orders, Archive(tmp_path))

    assert [entry.first for entry in Archive(tmp_path).chunks()] == [1, 11]


@pytest.mark.parametrize("forgotten", [False, True])
def test_an_archive_of_another_log_is_refused_and_stays(forgotten: bool, orders: Outbox, tmp_path: Path) -> None:
    put(orders, 10)
    run_once(orders, Archive(tmp_path))
    make_log_anew(orders, 1 << 20)
    if forgotten:
        forget(orders.collections, "archive:main", SystemClock())
    put(orders, 20)

    with pytest.raises(CursorMismatch) as mismatch:
        run_once(orders, Archive(tmp_path))
    assert Archive(tmp_path).head == 10
    if not forgotten:
        assert any("can be read" in note for note in mismatch.value.__notes__)


def test_what_the_log_no_longer_has_is_no_silent_gap(database: Database[Any], tmp_path: Path) -> None:
    orders = small_outbox(database)
    put(orders, 1)
    run_once(orders, Archive(tmp_path))
    forget(orders.collections, "archive:main", SystemClock())
    for number in range(30):
        orders.put(placed(number, note="x" * 2000), standalone=True)
        orders.sequence()

    with pytest.raises(HistoryLost):
        run_once(orders, Archive(tmp_path))
    assert Archive(tmp_path).head == 1


def test_another_log_s_archiver_that_writes_there_too_is_told(orders: Outbox, tmp_path: Path) -> None:
    put(orders, 10)
    run_once(orders, Archive(tmp_path))
    store(Archive(tmp_path), range(11, 15))
    put(orders, 10)

    with pytest.raises(CursorMismatch):
        run_once(orders, Archive(tmp_path))
