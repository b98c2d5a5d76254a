"""A subscriber that is slow has a large backlog before it."""

from __future__ import annotations

import re
import sys

import pytest

from tests.acceptance.conftest import Start
from tests.acceptance.ledger import Ledger
from tests.waiting import wait_until

pytestmark = pytest.mark.heavy

BACKLOG = 1_000_000
FLAT_MIB = 16
READ_AHEAD_MIB = 128
"""One read of the log, decoded: some 18,000 records of this size. All million would take gigabytes."""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_a_slow_subscriber_holds_a_million_records_with_flat_memory(
    ledger: Ledger, mongo_uri: str, start: Start
) -> None:
    """Watches over pulling: nothing is fetched ahead of the subscriber, and nothing queues between it and the log."""
    ledger.create(accounts=1, capacity="512 MiB")
    ledger.fill("", 1000)
    subscriber = start("subscribe_slowly", mongo_uri, ledger.database.name, BACKLOG)
    wait_until(lambda: "seq 0" in subscriber.said(), 30, "the first record")
    ledger.fill("", BACKLOG - 1000)

    subscriber.go_on()
    subscriber.succeed(200)

    found = re.findall(r"seq (\d+) resident ([\d.]+)", subscriber.said())
    resident = {int(seq): float(mib) for seq, mib in found}
    assert list(resident)[-1] == BACKLOG
    assert resident[1] - resident[0] < FLAT_MIB, "it grew while the subscriber stood still"
    first_half = max(mib for seq, mib in resident.items() if seq <= BACKLOG // 2)
    assert max(resident.values()) - first_half < FLAT_MIB, resident
    assert first_half - resident[0] < READ_AHEAD_MIB, resident
