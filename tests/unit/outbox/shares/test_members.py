"""Quotas of shares, and who counts as alive, by beats on one's own clock."""

from __future__ import annotations

from typing import Any, cast

import pytest
from pymongo.collection import Collection

from outbox.mongo.process_identity import this_process
from outbox.shares.members import Members
from outbox.testing import FakeClock

SECONDS = 9.0


class Leases:
    """The one document, with just what members do to it."""

    def __init__(self) -> None:
        self.members: dict[str, dict[str, Any]] = {}
        self.slow: tuple[FakeClock, float] | None = None
        """Whose clock goes on by how much until a write is confirmed."""

    def find_one_and_update(self, _: object, change: dict[str, Any], **__: object) -> dict[str, Any]:
        if self.slow is not None:
            self.slow[0].advance(self.slow[1])
        (path,) = change["$inc"]
        member = self.members.setdefault(path.split(".")[1], {"beat": 0})
        member["beat"] += 1
        member |= {path.rpartition(".")[2]: value for path, value in change["$set"].items()}
        return {"members": {name: dict(each) for name, each in self.members.items()}}

    def update_one(self, query: dict[str, Any], change: dict[str, Any]) -> None:
        (path,) = change["$unset"]
        name = path.split(".")[1]
        beat = query.get(f"members.{name}.beat")
        if name in self.members and beat in (None, self.members[name]["beat"]):
            del self.members[name]


class Process(Members):
    def __init__(self, leases: Leases, name: str) -> None:
        self.clock = FakeClock()
        super().__init__(
            cast("Collection[dict[str, Any]]", leases), "relay:kafka", f"host:1:{name}", SECONDS, self.clock
        )

    def wait(self, seconds: float) -> Process:
        """Beats as it should meanwhile."""
        for _ in range(int(seconds)):
            self.clock.advance(1)
            self.beat()
        return self


@pytest.fixture
def leases() -> Leases:
    return Leases()


@pytest.mark.parametrize("members", [1, 2, 3, 4, 5, 9])
@pytest.mark.parametrize("count", [1, 2, 3, 4, 8, 16])
def test_quotas_differ_by_one_at_most_and_sum_to_all_shares(leases: Leases, members: int, count: int) -> None:
    processes = [Process(leases, str(n)) for n in range(members)]
    for _ in range(2):
        for each in processes:
            each.wait(4)

    quotas = [each.quota(count) for each in processes]

    assert sum(quotas) == count
    assert max(quotas) - min(quotas) <= 1


def test_it_beats_every_third_of_the_lease_time(leases: Leases) -> None:
    one = Process(leases, "a")

    assert one.beat()
    one.clock.advance(2.9)
    assert not one.beat()
    one.clock.advance(0.1)
    assert one.beat()
    assert leases.members["a"]["beat"] == 2


def test_one_that_does_not_beat_for_a_lease_time_is_gone(leases: Leases) -> None:
    one, other = Process(leases, "a"), Process(leases, "b")
    other.beat()
    one.wait(1)

    assert [one.wait(8).quota(8), one.wait(3).quota(8)] == [4, 8]
    assert set(leases.members) == {"a"}


@pytest.mark.skipif(this_process() is None, reason="only Linux tells which process it is")
def test_one_whose_process_has_ended_on_this_host_is_gone_at_once(leases: Leases) -> None:
    """Goes red when its part stands still for as long as the lease lasts, though its leases can be had."""
    one, other = Process(leases, "a"), Process(leases, "b")
    other.beat()
    one.wait(1)
    assert one.quota(8) == 4

    leases.members["b"]["process"] |= {"started": 0}  # its number was given to another
    one.wait(3)

    assert one.quota(8) == 8


@pytest.mark.parametrize("process", [None, {}, "x", {"boot": "another"}], ids=repr)
def test_one_of_another_place_or_of_an_older_version_is_waited_for(leases: Leases, process: object) -> None:
    one, other = Process(leases, "a"), Process(leases, "b")
    other.beat()
    leases.members["b"]["process"] = process
    one.wait(3)

    assert one.quota(8) == 4


def test_one_whose_beats_take_long_to_confirm_is_waited_for_as_long_as_it_asks(leases: Leases) -> None:
    """Goes red when its part is given away between two of its beats, and comes back with the next."""
    one, other = Process(leases, "a"), Process(leases, "b")
    leases.slow = other.clock, 4.0
    other.beat()
    other.clock.advance(3)
    other.beat()
    leases.slow = None
    one.wait(1)
    assert leases.members["b"]["seconds"] == 24

    assert [one.wait(22).quota(8), one.wait(3).quota(8)] == [4, 8]


def test_one_that_was_only_slow_comes_back(leases: Leases) -> None:
    one, other = Process(leases, "a"), Process(leases, "b")
    other.beat()
    one.wait(14)
    other.wait(4)

    assert one.wait(3).quota(8) == 4


def test_one_that_leaves_is_not_waited_for(leases: Leases) -> None:
    one, other = Process(leases, "a"), Process(leases, "b")
    other.beat()
    one.wait(3)
    other.close()

    assert one.wait(3).quota(8) == 8


def test_beats_of_another_whose_clock_runs_differently_count_all_the_same(leases: Leases) -> None:
    one, other = Process(leases, "a"), Process(leases, "b")
    other.clock.advance(1_000_000)
    for _ in range(10):
        other.wait(3)
        one.wait(3)

    assert (one.quota(5), other.quota(5)) == (3, 2)
