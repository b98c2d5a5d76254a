"""Sixty-four writers at a time, in four processes."""

from __future__ import annotations

import logging
import time

import pytest

from tests.faults.service import Service
from tests.load.size import size

pytestmark = pytest.mark.heavy

PROCESSES = 4
THREADS = 16
MESSAGES = size(40, 2000)
"""Of each thread."""

log = logging.getLogger(__name__)


@pytest.mark.timeout(size(300, 3600))
def test_what_each_of_them_committed_arrives_once_and_in_order(service: Service) -> None:
    """They share a hundred accounts, so their transactions meet, and the driver repeats those that lose."""
    relay = service.relay(lease=10)
    service.wait_until_held(relay)
    began = time.monotonic()
    for _ in range(PROCESSES):
        service.write(rate=float("inf"), threads=THREADS, messages=MESSAGES)
    for writer in service.writers:
        writer.succeed(size(200, 3000))
    committed = time.monotonic() - began
    written = service.finish()
    relay.stop()

    total = PROCESSES * THREADS * MESSAGES
    log.info("%d messages committed in %.1f s, delivered in %.1f s", total, committed, time.monotonic() - began)
    seen = service.topic.records()
    assert len(written.committed) == len(seen) == total
    assert service.ledger.faults(written, seen) == []
