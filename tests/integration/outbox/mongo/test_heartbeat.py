"""The heartbeat renews what is held, at the price of a command, and tells each holder what came of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from bson import Int64
from pymongo import WriteConcern
from pymongo.collection import Collection
from pymongo.database import Database
from pymongo.errors import AutoReconnect

from outbox.errors import LeaseLost
from outbox.mongo.heartbeat import Heartbeat
from outbox.mongo.lease import Lease, read_lease
from outbox.testing import FakeClock
from tests.actors.command_listener import Commands, watched

pytestmark = pytest.mark.oldest_server

Document = dict[str, Any]


class Scene:
    """A process that holds leases, with a clock of its own; its heartbeat's thread is the test's."""

    def __init__(self, leases: Collection[Document], commands: Commands) -> None:
        self.leases = leases
        self.commands = commands
        self.clock = FakeClock()
        self.heartbeat = Heartbeat(leases, self.clock)

    def held(self, role: str, seconds: float = 3.0) -> Lease:
        lease = Lease(self.leases, role, seconds=seconds, clock=self.clock)
        assert lease.acquire()
        self.commands.clear()
        return lease

    def after(self, seconds: float, *leases: Lease) -> None:
        """Time passes, then the heartbeat looks after these."""
        self.clock.advance(seconds)
        self.heartbeat.beat([lease._holding for lease in leases if lease._holding is not None])

    def beat_of(self, lease: Lease) -> int:
        return int((read_lease(self.leases, lease.role) or {})["beat"])

    def waiter(self, lease: Lease) -> tuple[Lease, FakeClock]:
        clock = FakeClock()
        return Lease(self.leases, lease.role, clock=clock), clock


@pytest.fixture
def scene(mongo_uri: str, database: Database[Document]) -> Iterator[Scene]:
    with watched(mongo_uri, database) as (watching, commands):
        yield Scene(watching["outbox.leases"].with_options(write_concern=WriteConcern("majority")), commands)


# When it beats


def test_a_beat_is_due_after_a_third_of_the_lease_time(scene: Scene) -> None:
    lease = scene.held("sequencer", seconds=2.7)

    scene.after(0.89, lease)
    assert scene.commands.names() == []
    scene.after(0.02, lease)
    assert scene.commands.names() == ["update"]
    scene.after(0.89, lease)
    assert scene.commands.names() == ["update"]


def test_beats_of_a_second_and_more_go_at_half_seconds_together(scene: Scene) -> None:
    """A command that goes alone costs the process twice as much as one beside others (measured)."""
    scene.clock.advance(0.9)
    first = scene.held("sequencer")
    scene.clock.advance(0.3)
    second = scene.held("relay:kafka", seconds=4.0)

    assert [each._holding.due for each in (first, second) if each._holding is not None] == [1.5, 2.5]


def test_leases_of_one_lease_time_cost_one_command_though_they_were_taken_one_after_another(scene: Scene) -> None:
    first = scene.held("sequencer", seconds=2.7)
    scene.clock.advance(0.6)
    second = scene.held("relay:kafka", seconds=2.7)

    scene.after(0.4, first, second)
    assert scene.commands.names() == ["update"]
    scene.after(0.4, first, second)
    assert scene.commands.names() == ["update"]
    assert [scene.beat_of(first), scene.beat_of(second)] == [2, 2]


def test_one_with_a_longer_lease_time_beats_less_often(scene: Scene) -> None:
    quick, slow = scene.held("sequencer"), scene.held("relay:kafka", seconds=60.0)

    for _ in range(3):
        scene.after(1.01, quick, slow)

    assert [scene.beat_of(quick), scene.beat_of(slow)] == [4, 1]
    slow.check()


def test_a_holder_that_is_busy_for_ever_keeps_its_lease(scene: Scene) -> None:
    lease = scene.held("relay:kafka")
    waiter, clock = scene.waiter(lease)

    for _ in range(12):
        assert not waiter.acquire()
        scene.after(1.0, lease)
        clock.advance(1.0)
        lease.check()


# What it tells


def test_a_lease_that_another_has_is_seen_without_asking(scene: Scene) -> None:
    """Goes red when a beat does not ask for the holding's own fence."""
    lease = scene.held("relay:kafka")
    waiter, clock = scene.waiter(lease)
    assert not waiter.acquire()
    clock.advance(3)
    assert waiter.acquire()

    scene.after(1.5, lease)

    scene.commands.clear()
    with pytest.raises(LeaseLost, match="held by another process"):
        lease.check()
    assert scene.commands.names() == []
    waiter.renew()


def test_its_fence_stays_until_the_holder_hears_of_it(scene: Scene) -> None:
    """Goes red when the thread of the heartbeat sets it: what is written with fence 0 is refused to nobody."""
    lease = scene.held("sequencer")
    scene.leases.delete_one({"_id": "sequencer"})

    scene.after(1.5, lease)

    assert lease.fence == 1
    with pytest.raises(LeaseLost):
        lease.renew()
    assert lease.fence == 0


def test_one_that_is_lost_costs_the_others_nothing(scene: Scene) -> None:
    lost, kept = scene.held("relay:kafka"), scene.held("relay:other")
    scene.leases.update_one({"_id": "relay:kafka"}, {"$set": {"owner": "other"}})

    scene.after(1.5, lost, kept)

    kept.check()
    with pytest.raises(LeaseLost):
        lost.check()


@pytest.mark.parametrize("said", [{"wanted": Int64(4)}, {"pauses": Int64(1)}], ids=repr)
def test_what_others_want_the_holder_to_hear_comes_with_a_beat(scene: Scene, said: Document) -> None:
    lease, other = scene.held("relay:kafka"), scene.held("sequencer")
    scene.leases.update_one({"_id": "relay:kafka"}, {"$set": said})

    scene.after(1.5, lease, other)

    assert said.items() <= lease.document.items()
    assert scene.beat_of(lease) == 2
    scene.commands.clear()
    scene.after(1.5, lease, other)
    assert scene.commands.names() == ["update"]


def test_while_no_server_answers_the_holder_stops_before_a_waiter_can_have_it(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    lease = scene.held("relay:kafka")
    waiter, clock = scene.waiter(lease)
    assert not waiter.acquire()

    def unreachable(*_: object, **__: object) -> None:
        raise AutoReconnect("connection refused")

    monkeypatch.setattr(Collection, "update_many", unreachable)
    for _ in range(8):
        scene.after(0.299, lease)
        clock.advance(0.299)
        lease.check()
        assert not waiter.acquire()
    scene.after(0.1, lease)
    clock.advance(0.1)

    assert not waiter.acquire()
    with pytest.raises(LeaseLost, match="could not be confirmed in time: connection refused"):
        lease.check()


def test_after_an_error_it_tries_again_sooner_than_a_beat_is_due(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    lease = scene.held("relay:kafka")
    with monkeypatch.context() as patch:
        patch.setattr(Collection, "update_many", lambda *_, **__: 1 / 0)
        scene.after(1.0, lease)

    scene.after(0.26, lease)

    assert scene.beat_of(lease) == 2


def test_an_error_that_nobody_foresaw_is_logged_and_the_beats_go_on(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    lease = scene.held("relay:kafka")
    with monkeypatch.context() as patch:
        patch.setattr(Collection, "update_many", lambda *_, **__: 1 / 0)
        scene.after(1.0, lease)

    assert "unforeseen" in caplog.text
    assert "ZeroDivisionError" in caplog.text
    lease.check()
