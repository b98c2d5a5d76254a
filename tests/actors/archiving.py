"""Archives an outbox, in the test's own process."""

from __future__ import annotations

import threading
from pathlib import Path

from outbox import Outbox
from outbox.archive import Archive
from outbox.archive.archiving import archive_log
from tests.actors.order_service import placed


def put(orders: Outbox, count: int) -> None:
    orders.put([placed(number) for number in range(count)], standalone=True)
    orders.sequence()


def run_once(orders: Outbox, archive: Archive, format: str = "jsonl.gz") -> None:
    archive_log(orders, archive, format, stop=threading.Event(), once=True)


def is_all_of_the_log(archive: Archive, orders: Outbox) -> bool:
    return list(archive.read()) == list(orders.read()) and archive.verify().last == orders.status().head


def put_large(orders: Outbox, count: int) -> None:
    for _ in range(count):
        orders.put(placed(orders.status().head, note="x" * 2000), standalone=True)
        orders.sequence()


def filled(orders: Outbox, folder: Path) -> Archive:
    """An archive of 10 records, the first of which the log has no more, and then 2 records that it has not."""
    archive = Archive(folder)
    for _ in range(2):
        put_large(orders, 5)
        run_once(orders, archive)
    put_large(orders, 2)
    assert 1 < orders.log.earliest() <= 10
    return archive
