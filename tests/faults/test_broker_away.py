"""The broker does not answer while the log grows and grows; or its topic is deleted and made anew."""

from __future__ import annotations

import re
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from tests.acceptance.process import Process
from tests.faults.conftest import Far
from tests.faults.service import Service
from tests.servers.kafka import admin_client, create_topic
from tests.waiting import wait_until

BACKLOG = 100_000
PADDING = "x" * 1000
QUEUE_AND_READS_MIB = 64
"""What it may take before it stands still: 16 MiB in the producer's queue, and what it has read of the log, decoded."""
FLAT_MIB = 16

pytestmark = pytest.mark.timeout(240)


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


def test_a_topic_that_was_deleted_and_made_anew_gets_a_gapless_rest(far_service: Service, far: Far) -> None:
    """What was in the old topic is gone with it; the relay stops with exit code 4 or goes on, and skips nothing."""
    service = far_service
    service.write()
    relay = service.relay(lease=1)
    service.wait_until_delivered(200)
    delivered = service.saved()
    admin = admin_client(far.broker.bootstrap)
    admin.delete_topics([service.topic.name])[service.topic.name].result(30)
    wait_until(lambda: service.topic.name not in admin.list_topics(timeout=5).topics, 30, "the topic to be gone")
    before = service.ledger.head()
    create_topic(far.broker.bootstrap, service.topic.name)
    wait_until(lambda: relay.exit_code is not None or service.saved() > before + 100, 60, "the relay to do something")
    if relay.exit_code is not None:
        assert relay.exit_code == 4, relay.said()
        relay = service.relay(lease=1)
    written = service.finish()
    relay.stop()

    assert service.ledger.faults(written) == []
    seqs = sorted({record.seq for record in service.topic.records()})
    assert [(one, other) for one, other in pairwise(seqs) if other != one + 1] == []
    assert delivered < seqs[-1] == service.ledger.head()
