"""Wall clocks jump, forwards and backwards, while everybody works: a relay's by an hour, the server's by a day."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient

from outbox.embedded.mongo import EmbeddedMongo
from tests.acceptance.conftest import Start
from tests.acceptance.ledger import Ledger
from tests.acceptance.process import Process
from tests.acceptance.topic import Topic
from tests.faults.service import Service
from tests.servers.tampered import DAY_SECONDS, HOUR_SECONDS, NoCompiler, Tampered
from tests.servers.unavailable import unavailable
from tests.waiting import wait_until

LEASE_SECONDS = 4.0
GRACE = timedelta(seconds=2)  # the clamp's second, and the server's stamps are whole seconds
JUMPS = (HOUR_SECONDS, -HOUR_SECONDS)
"""How far a clock is ahead of the true time, one after the other."""

pytestmark = [
    pytest.mark.heavy,
    pytest.mark.timeout(240),
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="preloads a library"),
]


@pytest.fixture
def clocks(tmp_path: Path) -> list[Tampered]:
    """Two, right so far."""
    try:
        return [Tampered(tmp_path, name) for name in ("one", "other")]
    except NoCompiler as error:
        unavailable("moved clocks", error)


def two(service: Service, *clocks: Tampered) -> tuple[Process, Process]:
    """A relay at work and one that stands by, each with its own of the clocks, if there are any."""
    started = []
    for index in range(2):
        with clocks[index].given() if clocks else contextlib.nullcontext():
            started.append(service.relay(lease=LEASE_SECONDS))
        service.wait_until_held(started[0])
    wait_until(lambda: "this one stands by" in started[1].said(), 60, "the second to stand by")
    return started[0], started[1]


WORKING = {"_id": {"$ne": "schema"}}


def holders(service: Service) -> dict[str, str]:
    """Role → who has it."""
    return {each["_id"]: each["owner"] for each in service.ledger.collections.leases.find(WORKING)}


def wait_for_beats(service: Service) -> None:
    """Lets each lease that is held beat for more than a lease time: three beats."""
    found = {each["_id"]: each["beat"] for each in service.ledger.collections.leases.find(WORKING)}
    for role, beat in found.items():
        enough = {"_id": role, "beat": {"$gte": beat + 4}}
        wait_until(lambda enough=enough: service.ledger.collections.leases.find_one(enough), 60, f"{role} to beat")


def dates(service: Service) -> list[datetime]:
    """Each record's `created`, in the order of the log."""
    return [record["created"] for batch in service.ledger.batches() for record in batch["records"]]


def test_a_relay_whose_clock_jumps_is_neither_succeeded_nor_kept_from_succeeding(
    service: Service, clocks: list[Tampered]
) -> None:
    """Goes red when a lease, or `created`, is reckoned by a process's wall clock."""
    begun = datetime.now(UTC)
    service.write()
    working, standby = two(service, *clocks)
    service.wait_until_delivered(100)
    held = holders(service)
    for seconds in JUMPS:
        clocks[0].move_clock(seconds)
        clocks[1].move_clock(-seconds)
        wait_for_beats(service)
        service.wait_until_delivered(50)
    assert holders(service) == held, "a jump of the clock made another relay take over"

    clocks[1].move_clock(-HOUR_SECONDS)
    working.kill()
    service.wait_until_held(standby)
    service.wait_until_delivered(100)
    written = service.finish()
    standby.stop()

    assert service.ledger.faults(written, service.topic.records()) == []
    found = dates(service)
    assert found == sorted(found)
    assert begun - GRACE <= found[0]
    assert found[-1] <= datetime.now(UTC) + GRACE


@pytest.fixture
def moved_server(clocks: list[Tampered], mongo_uri: str) -> Iterator[str]:
    """A replica set of one node, with the first of the clocks."""
    with clocks[0].given():
        server = EmbeddedMongo()
        server.start()
    try:
        yield server.uri
    finally:
        server.stop()


def test_a_server_whose_clock_jumps_makes_nobody_take_over_and_moves_no_date(
    clocks: list[Tampered], moved_server: str, ledger_topic: Topic, start: Start
) -> None:
    """Goes red when a lease is reckoned by the server's clock, as by its `renewed`."""
    begun = datetime.now(UTC)
    with MongoClient[dict[str, Any]](moved_server) as client:
        service = Service(Ledger(client["clocks"]), moved_server, ledger_topic, start)
        service.write()
        working, standby = two(service)
        service.wait_until_delivered(100)
        held = holders(service)
        for seconds in (*JUMPS, DAY_SECONDS, 0):
            clocks[0].move_clock(seconds)
            wait_for_beats(service)
            service.wait_until_delivered(50)
        assert holders(service) == held, "a jump of the server's clock made another relay take over"

        clocks[0].move_clock(-HOUR_SECONDS)
        working.kill()
        service.wait_until_held(standby)
        service.wait_until_delivered(100)
        written = service.finish()
        standby.stop()

        assert service.ledger.faults(written, service.topic.records()) == []
        found = dates(service)
        assert found == sorted(found)
        assert begun - GRACE <= found[0]
        assert found[-1] <= datetime.now(UTC) + GRACE
