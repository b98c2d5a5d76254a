"""The durable reader that archives: the log holds for it, and what is stored is what the log had."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pymongo.database import Database

from outbox import InvalidName, Outbox
from outbox.archive import Archive
from outbox.archive.archiving import archive_log
from outbox.archive.formats.choice import FILES
from outbox.errors import ArchiveUnavailable, InvalidArchive
from outbox.shares.layout import set_shares
from tests.actors.archives import seqs
from tests.actors.archiving import is_all_of_the_log, put, run_once
from tests.actors.order_service import foreign, new_outbox, placed
from tests.actors.running import Running
from tests.actors.small_log import small_outbox
from tests.waiting import wait_until


@pytest.fixture
def orders(database: Database[Any]) -> Iterator[Outbox]:
    with new_outbox(database) as orders:
        yield orders


@pytest.mark.parametrize("format", FILES)
def test_it_stores_what_the_log_has(format: str, orders: Outbox, tmp_path: Path) -> None:
    put(orders, 1100)
    run_once(orders, Archive(tmp_path), format)

    assert is_all_of_the_log(Archive(tmp_path), orders)


def test_run_again_it_goes_on(orders: Outbox, tmp_path: Path) -> None:
    for _ in range(3):
        put(orders, 10)
        run_once(orders, Archive(tmp_path))
    run_once(orders, Archive(tmp_path))

    assert [(entry.first, entry.last) for entry in Archive(tmp_path).chunks()] == [(1, 10), (11, 20), (21, 30)]
    assert is_all_of_the_log(Archive(tmp_path), orders)


def test_whatever_other_drivers_have_put_is_stored_as_it_was(orders: Outbox, tmp_path: Path) -> None:
    for data in ({"$date": "x"}, {"a": float("nan")}, {"a": {"$ref": "b", "$id": 1}}, None, {"a": b"\x00"}):
        staging = orders.collections.staging
        command = {"insert": staging.name, "documents": [foreign(data=data)], "bypassDocumentValidation": True}
        staging.database.command(command)
    orders.sequence()
    run_once(orders, Archive(tmp_path))

    assert [repr(each) for each in Archive(tmp_path).read()] == [repr(each) for each in orders.read()]


def test_the_log_holds_for_it_until_it_is_stored(database: Database[Any], tmp_path: Path) -> None:
    orders = small_outbox(database)
    orders.put(placed(0), standalone=True)
    orders.sequence()
    run_once(orders, Archive(tmp_path))
    for number in range(12):
        orders.put(placed(number, note="x" * 2000), standalone=True)
        orders.sequence()
    assert orders.status().staging > 0
    for _ in range(8):
        run_once(orders, Archive(tmp_path))
        orders.sequence()

    assert seqs(Archive(tmp_path).read()) == list(range(1, 14))
    assert next(orders.read()).seq > 1


def test_it_works_until_it_is_stopped_and_then_stores_what_it_has(orders: Outbox, tmp_path: Path) -> None:
    stop = threading.Event()
    running = Running(lambda: archive_log(orders, Archive(tmp_path), stop=stop))
    running.thread.start()
    put(orders, 5)
    wait_until(lambda: any(each.id == "archive:main" for each in orders.readers()), 30, "it has not begun")
    wait_until(lambda: orders.readers()[0].holder is not None, 30, "it does not work")
    stop.set()
    running.thread.join(30)

    assert running.error is None
    run_once(orders, Archive(tmp_path))
    assert is_all_of_the_log(Archive(tmp_path), orders)


def test_a_full_disk_is_named_and_nothing_is_lost(
    orders: Outbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    put(orders, 10)
    with monkeypatch.context() as patch:
        patch.setattr(os, "link", full)
        with pytest.raises(ArchiveUnavailable, match="No space left on device"):
            run_once(orders, Archive(tmp_path))
    assert orders.readers()[0].position == 0
    run_once(orders, Archive(tmp_path))
    assert is_all_of_the_log(Archive(tmp_path), orders)


def test_a_full_disk_is_waited_for_by_one_that_goes_on(
    orders: Outbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    stored, stop, fails = threading.Event(), threading.Event(), threading.Event()
    link = os.link

    def full_once(*names: Any) -> None:
        if not fails.is_set():
            fails.set()
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        link(*names)

    put(orders, 10)
    monkeypatch.setattr(os, "link", full_once)
    monkeypatch.setattr("outbox.archive.target.MOST_SECONDS", 0.0)
    running = Running(lambda: archive_log(orders, Archive(tmp_path), stop=stop, stored=lambda _: stored.set()))
    running.thread.start()
    assert stored.wait(30)
    stop.set()
    running.thread.join(30)

    assert "No space left on device" in caplog.text
    assert is_all_of_the_log(Archive(tmp_path), orders)


def test_it_has_no_shares(orders: Outbox, tmp_path: Path) -> None:
    put(orders, 1)
    run_once(orders, Archive(tmp_path))

    with pytest.raises(InvalidArchive, match="one writer"):
        set_shares(orders.collections, "archive:main", 2)


def test_what_cannot_be_archived_like_this_is_refused_before_it_begins(orders: Outbox, tmp_path: Path) -> None:
    with pytest.raises(InvalidArchive):
        run_once(orders, Archive(tmp_path), "csv")
    with pytest.raises(InvalidName):
        Archive(tmp_path, "a/b")
    assert list(tmp_path.iterdir()) == []
    assert orders.readers() == []
