"""A log that holds a few hundred messages, at full rate, with a relay that cannot keep up all the time."""

from __future__ import annotations

import logging
import threading
import time

import pytest

from outbox.monitoring.status import status
from tests.acceptance.conftest import Start
from tests.acceptance.ledger import Ledger, content_faults, log_faults
from tests.acceptance.topic import Topic
from tests.faults.conftest import Far
from tests.faults.service import Service
from tests.load.size import size
from tests.waiting import wait_until

pytestmark = pytest.mark.heavy

SECONDS = size(6, 60)
PADDING = 12_000
"""Bytes; some 350 such messages fill the log."""
STILL_SECONDS = 2.0
"""For how long the broker does not answer, every other time."""

log = logging.getLogger(__name__)


@pytest.mark.timeout(size(300, 900))
def test_the_sequencer_waits_for_the_relay_and_nothing_is_lost(
    ledger: Ledger, mongo_uri: str, far: Far, far_topic: Topic, start: Start
) -> None:
    """Goes red when the log rolls over what the relay has not read: it stops with HistoryLost."""
    service = Service(ledger, mongo_uri, far_topic, start, max_message_bytes=100_000, capacity="5 MiB")
    relay = service.relay(lease=10, kafka=far.network.address)
    wait_until(lambda: service.holder() == relay.pid and service.saved() == 0, 60, "the relay to be a reader")
    for _ in range(4):
        service.write(rate=float("inf"), padding=PADDING)

    held, began = 0, time.monotonic()
    while time.monotonic() - began < SECONDS:
        far.network.hold()
        wait_until(lambda: holds(service), 60, "the sequencer to wait for the relay")
        held += 1
        _pass(STILL_SECONDS)
        far.network.restore()
        _pass(STILL_SECONDS)
    written = service.finish()
    relay.stop()

    seen = service.topic.records()
    log.info("%d messages in %.0f s, held %d time(s)", len(written.committed), SECONDS, held)
    assert content_faults("Kafka", seen, written) == []
    assert sorted({record.seq for record in seen}) == list(range(1, len(written.committed) + 1))
    assert log_faults(ledger.log()) == []
    assert ledger.oldest() > 1, "the log has not rolled over"
    assert ledger.collections.dead.count_documents({}) == 0


def holds(service: Service) -> bool:
    """Whether the sequencer waits for the relay."""
    held = status(service.ledger.collections).held
    return held is not None and held.reader == "relay:kafka"


def _pass(seconds: float) -> None:
    threading.Event().wait(seconds)
