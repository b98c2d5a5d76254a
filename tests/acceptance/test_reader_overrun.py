"""A reader that is slower than a small log rolls over."""

from __future__ import annotations

import threading
from typing import Any

from pymongo.database import Database

from outbox import HistoryLost, Outbox, Record
from tests.acceptance.conftest import Start
from tests.acceptance.ledger import Ledger
from tests.acceptance.processes.entry import Entry
from tests.waiting import wait_until


def test_a_reader_that_was_overrun_is_told_what_it_lost(
    ledger: Ledger, mongo_uri: str, start: Start, database: Database[dict[str, Any]]
) -> None:
    """Watches over the reader's gapless numbers: pymongo says nothing of records that were rolled over."""
    ledger.create(max_message_bytes=100_000, capacity="5 MiB")
    start("sequence", mongo_uri, database.name, "--lease", 10)
    with Outbox(database, messages=[Entry], sequence=False) as outbox:
        seen: list[int] = []
        errors: list[Exception] = []
        go_on = threading.Event()

        def slowly(record: Record[Entry]) -> None:
            seen.append(record.seq)
            go_on.wait(60)

        outbox.observe(start="earliest").subscribe(slowly, errors.append)
        numbers = iter(range(1, 100_000))
        while not seen or ledger.oldest() <= seen[0] + 5000:
            head = ledger.head()
            outbox.put(
                [Entry(account="account-0", number=next(numbers), padding="x" * 1000) for _ in range(500)],
                standalone=True,
            )
            wait_until(lambda head=head: ledger.head() == head + 500, 30, "the sequencer")
        go_on.set()
        wait_until(lambda: errors, 30, "the subscriber to be told")

        [lost] = errors
        assert isinstance(lost, HistoryLost)
        assert seen == list(range(1, len(seen) + 1))
        assert (lost.expected, lost.oldest) == (len(seen) + 1, ledger.oldest())
