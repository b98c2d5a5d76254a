"""The broker does not answer while the log grows and grows."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from tests.acceptance.process import Process
from tests.faults.conftest import Far
from tests.faults.service import Service
from tests.waiting import wait_until

BACKLOG = 100_000
PADDING = "x" * 1000
QUEUE_MIB = 20
"""What the producer's queue holds."""
QUEUE_AND_READS_MIB = 64
"""What it may take before it stands still: the producer's queue, and what it has read of the log, decoded."""
FLAT_MIB = 16

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(240)]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_a_broker_that_does_not_answer_costs_no_memory_however_long_the_backlog_grows(
    far_service: Service, far: Far
) -> None:
    """Goes red when the producer's queue has no bound, as with --set queue.buffering.max.messages=10000000."""
    service = far_service
    relay = service.relay("--set", "socket.timeout.ms=1000", lease=1, kafka=far.network.address)
    wait_until(lambda: "sequencing" in relay.said() and "relaying" in relay.said(), 60, "the relay to work")
    service.ledger.fill(PADDING, 100, fence=1)
    wait_until(lambda: service.topic.end() == 100, 60, "the first records")
    began = resident_mib(relay)
    far.network.hold()

    service.ledger.fill(PADDING, BACKLOG, fence=1)
    wait_until(lambda: resident_mib(relay) - began > QUEUE_MIB / 2, 60, "the relay, which may rest, to read on")
    beats(service, 10)
    standing = resident_mib(relay)
    for _ in range(3):
        service.ledger.fill(PADDING, BACKLOG // 5, fence=1)
        beats(service, 5)

    assert relay.exit_code is None, relay.said()
    assert standing - began < QUEUE_AND_READS_MIB
    assert resident_mib(relay) - standing < FLAT_MIB
    far.network.restore()
    wait_until(lambda: service.topic.end() >= service.ledger.head(), 120, "all to be delivered")
    relay.stop()
    assert service.saved() == service.ledger.head()


def beats(service: Service, count: int) -> None:
    """Lets the relay work, as its lease shows: three beats a lease time."""
    leases = service.ledger.collections.leases
    enough = leases.find_one({"_id": "relay:kafka"})["beat"] + count
    wait_until(lambda: leases.find_one({"_id": "relay:kafka"})["beat"] >= enough, 60, "the relay's lease to beat")


def resident_mib(process: Process) -> float:
    [kib] = re.findall(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{process.pid}/status").read_text())
    return int(kib) / 1024
