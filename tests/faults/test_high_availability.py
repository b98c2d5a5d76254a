"""Two relays, as processes of their own; one is killed, ended or frozen."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from pymongo.change_stream import ChangeStream

from tests.acceptance.ledger import duplicates
from tests.acceptance.process import Process
from tests.faults.conftest import Far
from tests.faults.service import Service
from tests.waiting import wait_until

LEASE_SECONDS = 2.0
LONG_LEASE_SECONDS = 600.0
"""Nobody who has to wait for it to run out takes over within a test."""

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(240)]


def two(service: Service, lease: float, first: str | None = None) -> tuple[Process, Process]:
    """A relay at work, and one that stands by. `first`: the first one's way to Kafka."""
    working = service.relay(lease=lease, kafka=first)
    service.wait_until_held(working)
    standby = service.relay(lease=lease)
    wait_until(lambda: "this one stands by" in standby.said(), 60, "the second to stand by")
    return working, standby


def test_after_a_kill_the_other_takes_over_when_the_lease_runs_out(service: Service) -> None:
    service.write()
    working, standby = two(service, LEASE_SECONDS)
    service.wait_until_delivered(100)
    working.kill()
    service.wait_until_held(standby)
    service.wait_until_delivered(100)
    written = service.finish()
    standby.stop()

    assert service.ledger.faults(written, service.topic.records()) == []


def test_after_a_sigterm_the_other_takes_over_without_waiting_for_the_lease(service: Service) -> None:
    """Goes red when the relay's or the sequencer's lease is not given back at the end."""
    service.write()
    working, standby = two(service, LONG_LEASE_SECONDS)
    service.wait_until_delivered(100)
    working.stop()
    service.wait_until_held(standby)
    service.wait_until_delivered(100)
    written = service.finish()
    standby.stop()

    seen = service.topic.records()
    assert service.ledger.faults(written, seen) == []
    assert duplicates(seen) == 0, "what the first had in flight was not acknowledged and saved before its end"


def test_a_relay_that_was_frozen_saves_no_cursor_and_sends_nothing_but_what_was_in_flight(
    far_service: Service, far: Far
) -> None:
    """Goes red when the pump does not check its lease, and when the cursor does not ask for the fence."""
    service = far_service
    service.write(rate=300)
    frozen, standby = two(service, LEASE_SECONDS, first=far.network.address)
    service.wait_until_delivered(200)
    far.network.hold()
    sent = service.saved() + 200
    wait_until(lambda: service.ledger.head() > sent, 60, "more to be in flight")
    frozen.pause()
    known = service.ledger.head()
    service.wait_until_held(standby)
    with service.ledger.collections.cursors.watch() as cursor:
        wait_until(lambda: service.saved() > known, 60, "the second to deliver what the first did not")
        far.network.restore()
        frozen.resume()
        wait_until(lambda: "this one stands by" in frozen.said(), 60, "the first to see that its time is over")
        service.wait_until_delivered(200)
        written = service.finish()
        saves = positions(cursor, service.saved())

    seen = service.topic.records()
    twice = [seq for seq, count in Counter(record.seq for record in seen).items() if count > 1]
    assert twice, "nothing was in flight when it froze"
    assert max(twice) <= known, "it sent what it read after it had been frozen"
    assert saves == sorted(saves), "the cursor, or its fence, went back"
    assert service.ledger.faults(written, seen) == []


def positions(changes: ChangeStream[Any], last: int) -> list[tuple[int, int]]:
    """The relay's cursor after each of its saves, up to seq `last`, as (fence, seq)."""
    fence, seq, found = 0, 0, []
    while seq != last:
        update = changes.next()["updateDescription"]["updatedFields"]
        fence, seq = update.get("fence", fence), update.get("seq", seq)
        found.append((fence, seq))
    return found
