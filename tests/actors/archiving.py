"""Archives an outbox, in the test's own process."""

from __future__ import annotations

import threading

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
