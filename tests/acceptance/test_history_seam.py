"""Archive, log and what comes, read as one sequence while the log rolls over: what is read is the ledger, exactly."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from bson import ObjectId
from pymongo.database import Database

from outbox.archive import Archive, target
from outbox.archive.archiving import archive_log
from tests.actors.order_service import placed
from tests.actors.running import Running
from tests.actors.small_log import small_outbox
from tests.waiting import wait_until

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(300)]

TIMES = 10
MORE = 30
"""Messages that come while somebody reads."""


def test_ten_times_under_load_it_is_the_ledger(
    database: Database[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(target, "MOST_SECONDS", 0.05)
    ledger: list[ObjectId] = []
    stop = threading.Event()
    orders, archive = small_outbox(database), Archive(tmp_path)

    def write() -> None:
        while not stop.wait(0.005):
            ledger.append(orders.put(placed(len(ledger), note="x" * 500), standalone=True))

    works = [Running(write), Running(lambda: archive_log(orders, archive, stop=stop))]
    with orders.running():
        for work in works:
            work.thread.start()
        wait_until(lambda: orders.log.earliest() > 1, 60, "the log has not rolled over")
        for _ in range(TIMES):
            seen: list[ObjectId] = []
            wanted = len(ledger) + MORE
            reading = orders.observe(0, archive=archive).subscribe(lambda record, seen=seen: seen.append(record.id))
            wait_until(lambda: len(seen) >= wanted, 60, "what comes has not come")  # noqa: B023  # of this turn
            reading.dispose()
            # The last may have been read before the writer has noted it.
            wait_until(lambda: len(ledger) >= len(seen), 60, "the writer has stopped")  # noqa: B023  # of this turn
            assert seen == ledger[: len(seen)]
        stop.set()
        for work in works:
            work.thread.join(60)
            assert work.error is None

    assert [record.id for record in orders.read(0, archive=archive)] == ledger
    assert archive.head > 10 * MORE
