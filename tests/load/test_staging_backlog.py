"""The sequencer was away while a service went on: a large backlog in staging."""

from __future__ import annotations

import itertools
import logging
import sys
import time
from collections.abc import Iterator

import pytest
from bson import ObjectId

from tests.acceptance.conftest import Start
from tests.acceptance.ledger import Ledger
from tests.acceptance.process import Process
from tests.acceptance.processes.entry import TYPE
from tests.actors.order_service import foreign
from tests.faults.test_broker_away import resident_mib
from tests.load.size import size
from tests.waiting import wait_until

pytestmark = pytest.mark.heavy

BACKLOG = size(50_000, 2_000_000)
PADDING = "x" * 200
FLAT_MIB = 12
"""What may come on top after the first tenth; the other nine tenths of the share alone are 17 MiB."""

log = logging.getLogger(__name__)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
@pytest.mark.timeout(size(300, 3600))
def test_it_drains_in_order_with_flat_memory(ledger: Ledger, mongo_uri: str, start: Start) -> None:
    """Goes red when the sequencer keeps a snapshot's documents, or the ids that it has deleted."""
    ledger.create(accounts=1, capacity=size(64, 1536) << 20)
    staged = list(put(ledger))

    began = time.monotonic()
    sequencer = start("sequence", mongo_uri, ledger.database.name, "--lease", 10)
    resident = watched(ledger, sequencer, began)
    sequencer.stop()

    assert list(numbered(ledger)) == staged
    assert ledger.staged() == 0
    first_tenth = max(mib for share, mib in resident.items() if share <= 10)
    assert max(resident.values()) - first_tenth < FLAT_MIB, resident


def put(ledger: Ledger) -> Iterator[bytes]:
    """As a service does that goes on putting; quicker, because in commands of 10,000."""
    for first in range(1, BACKLOG + 1, 10_000):
        documents = [
            foreign(type=TYPE, key="account-0", data={"account": "account-0", "number": number, "padding": PADDING})
            for number in range(first, min(first + 10_000, BACKLOG + 1))
        ]
        ledger.collections.staging.insert_many(documents)
        yield from (each["_id"].binary for each in documents)


def watched(ledger: Ledger, sequencer: Process, began: float) -> dict[int, float]:
    """The most that the process took, by the percent of the backlog that was in the log; until all is."""
    resident: dict[int, float] = {}

    def drained() -> bool:
        assert sequencer.exit_code is None, sequencer.said()
        share = 100 * ledger.head() // BACKLOG
        if share // 10 * 10 not in resident:
            log.info("%d %%: %.1f s, %.1f MiB", share, time.monotonic() - began, resident_mib(sequencer))
        for each in (share, share // 10 * 10):
            resident[each] = max(resident.get(each, 0.0), resident_mib(sequencer))
        return share == 100 and ledger.collections.staging.find_one() is None

    wait_until(drained, size(120, 3000), "the backlog to be numbered")
    seconds = time.monotonic() - began
    log.info("%d messages in %.1f s: %.0f a second", BACKLOG, seconds, BACKLOG / seconds)
    return resident


def numbered(ledger: Ledger) -> Iterator[bytes]:
    """The ids of all that the log holds, in order; gapless from 1."""
    following = itertools.count(1)
    for batch in ledger.collections.log.find({"_id": {"$gt": 0}}, {"last": 1, "records.id": 1}, sort=[("_id", 1)]):
        ids: list[ObjectId] = [record["id"] for record in batch["records"]]
        assert [batch["_id"] + index for index in range(len(ids))] == list(itertools.islice(following, len(ids)))
        assert batch["last"] == batch["_id"] + len(ids) - 1
        yield from (id.binary for id in ids)
