"""A lease has one holder at a time, whatever the clocks of the processes do."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from pymongo import WriteConcern
from pymongo.collection import Collection
from pymongo.database import Database
from pymongo.errors import AutoReconnect

from outbox import LeaseLost
from outbox.mongo.lease import Lease
from outbox.testing import FakeClock

pytestmark = pytest.mark.oldest_server

Document = dict[str, Any]


@pytest.fixture
def leases(database: Database[Document]) -> Collection[Document]:
    return database["outbox.leases"].with_options(write_concern=WriteConcern("majority"))


def _lease(leases: Collection[Document], clock: FakeClock | None = None, owner: str | None = None) -> Lease:
    return Lease(leases, "sequencer", owner=owner, clock=FakeClock() if clock is None else clock)


def test_a_lease_that_nobody_has_is_had_at_once(leases: Collection[Document]) -> None:
    lease = _lease(leases)

    assert lease.acquire()
    assert lease.fence == 1
    lease.check()


def test_a_lease_that_another_holds_is_not_had(leases: Collection[Document]) -> None:
    assert _lease(leases).acquire()
    waiter = _lease(leases)

    assert not waiter.acquire()
    assert waiter.fence == 0


def test_a_released_lease_is_had_at_once_with_a_higher_fence(leases: Collection[Document]) -> None:
    first, second = _lease(leases), _lease(leases)
    first.acquire()
    first.release()

    assert second.acquire()
    assert second.fence == 2


def test_one_s_own_lease_is_taken_again_with_a_higher_fence(leases: Collection[Document]) -> None:
    lease = _lease(leases)

    assert lease.acquire()
    assert lease.acquire()
    assert lease.fence == 2


def test_a_holder_that_stands_still_for_one_lease_time_is_succeeded(leases: Collection[Document]) -> None:
    _lease(leases).acquire()
    clock = FakeClock()
    waiter = _lease(leases, clock)

    assert not waiter.acquire()
    clock.advance(2.9)
    assert not waiter.acquire()
    clock.advance(0.1)
    assert waiter.acquire()
    assert waiter.fence == 2


def test_a_waiter_waits_for_as_long_as_the_holder_asks_for(leases: Collection[Document]) -> None:
    Lease(leases, "sequencer", seconds=30).acquire()
    clock = FakeClock()
    waiter = _lease(leases, clock)

    assert not waiter.acquire()
    clock.advance(29.9)
    assert not waiter.acquire()
    clock.advance(0.1)
    assert waiter.acquire()


@pytest.mark.parametrize("nonsense", ["30", None, -1, 0, 1e9, float("nan"), {}], ids=repr)
def test_a_lease_time_that_makes_no_sense_is_one_s_own(leases: Collection[Document], nonsense: object) -> None:
    _lease(leases).acquire()
    leases.update_one({}, {"$set": {"seconds": nonsense}})
    clock = FakeClock()
    waiter = _lease(leases, clock)

    assert not waiter.acquire()
    clock.advance(10)
    assert waiter.acquire()


def test_a_holder_whose_beats_are_slow_asks_for_more_and_for_less_when_they_are_quick_again(
    leases: Collection[Document], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, take, beat = FakeClock(), Collection.find_one_and_update, Collection.update_many
    lease = _lease(leases, clock)

    def seconds() -> float:
        found = leases.find_one({"_id": "sequencer"})
        assert found is not None
        return float(found["seconds"])

    def slow(update: Callable[..., Any]) -> Callable[..., Any]:
        def slowly(*arguments: Any, **options: Any) -> Any:
            found = update(*arguments, **options)
            clock.advance(9)
            return found

        return slowly

    with monkeypatch.context() as patch:
        patch.setattr(Collection, "find_one_and_update", slow(take))
        patch.setattr(Collection, "update_many", slow(beat))
        assert lease.acquire()
        lease.check()
        assert seconds() == 54
        clock.advance(9)
        lease.renew()
        lease.check()
    lease.renew()
    lease.renew()
    assert seconds() == 3


def test_a_holder_that_beats_is_not_succeeded_however_long_one_waits(leases: Collection[Document]) -> None:
    holder, clock = _lease(leases), FakeClock()
    holder.acquire()
    waiter = _lease(leases, clock)

    for _ in range(10):
        holder.renew()
        assert not waiter.acquire()
        clock.advance(2.9)


def test_time_in_which_a_waiter_did_not_look_counts_for_nothing(leases: Collection[Document]) -> None:
    """Goes red when `_stands_still` compares less than fence and beat: another has held it in between."""
    holder, clock = _lease(leases), FakeClock()
    holder.acquire()
    waiter = _lease(leases, clock)
    waiter.acquire()
    holder.renew()
    clock.advance(60)

    assert not waiter.acquire()


def test_the_server_s_clock_decides_nothing(leases: Collection[Document]) -> None:
    holder, clock = _lease(leases), FakeClock()
    holder.acquire()
    leases.update_one({}, [{"$set": {"renewed": {"$subtract": ["$$NOW", 10**10]}}}])
    waiter = _lease(leases, clock)

    assert not waiter.acquire()
    leases.update_one({}, [{"$set": {"renewed": {"$add": ["$$NOW", 10**10]}}}])
    clock.advance(10)
    assert waiter.acquire()


def test_a_holder_that_was_succeeded_learns_of_it_when_it_beats(leases: Collection[Document]) -> None:
    old, clock = _lease(leases), FakeClock()
    old.acquire()
    new = _lease(leases, clock)
    new.acquire()
    clock.advance(10)
    new.acquire()

    with pytest.raises(LeaseLost, match="held by another process"):
        old.renew()
    assert old.fence == 0


def test_a_holder_stops_before_anybody_may_have_taken_its_lease(leases: Collection[Document]) -> None:
    clock = FakeClock()
    lease = _lease(leases, clock)
    lease.acquire()

    clock.advance(2.39)
    lease.check()
    clock.advance(0.02)
    with pytest.raises(LeaseLost, match="could not be confirmed in time"):
        lease.check()


def test_of_two_that_read_the_same_document_one_has_the_lease(
    leases: Collection[Document], monkeypatch: pytest.MonkeyPatch
) -> None:
    quick, slow = _lease(leases), _lease(leases)

    def meanwhile(*_: object) -> int:
        monkeypatch.undo()
        assert quick.acquire()
        return 0

    monkeypatch.setattr("outbox.mongo.lease.known_fence", meanwhile)

    assert not slow.acquire()
    quick.renew()
    assert (quick.fence, slow.fence) == (1, 0)


def test_one_s_own_beat_that_arrives_late_does_not_keep_it_from_being_taken_again(
    leases: Collection[Document], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one that the heartbeat has under way when the holder, in doubt, takes its lease anew."""
    lease = _lease(leases)
    assert lease.acquire()

    def meanwhile(*_: object) -> int:
        leases.update_one({}, {"$inc": {"beat": 1}})
        return 0

    monkeypatch.setattr("outbox.mongo.lease.known_fence", meanwhile)

    assert lease.acquire()
    assert lease.fence == 2


def test_a_lease_that_is_not_held_is_not_sure(leases: Collection[Document]) -> None:
    lease = _lease(leases)
    for end in (lambda: None, lease.acquire, lease.release):
        end()
        if lease.fence == 0:
            with pytest.raises(LeaseLost):
                lease.check()


def test_a_late_release_does_not_take_the_lease_from_its_successor(leases: Collection[Document]) -> None:
    old, clock = _lease(leases), FakeClock()
    old.acquire()
    new = _lease(leases, clock)
    new.acquire()
    clock.advance(10)
    new.acquire()
    old.release()

    new.renew()
    assert not _lease(leases).acquire()


def test_releasing_what_one_does_not_hold_does_nothing(leases: Collection[Document]) -> None:
    _lease(leases).release()

    assert leases.count_documents({}) == 0


def test_a_beat_whose_answer_was_lost_is_made_good_by_the_next(
    leases: Collection[Document], monkeypatch: pytest.MonkeyPatch
) -> None:
    lease = _lease(leases)
    lease.acquire()
    update = Collection.update_many

    def answer_lost(*arguments: Any, **options: Any) -> None:
        update(*arguments, **options)
        raise AutoReconnect("connection closed")

    with monkeypatch.context() as patch:
        patch.setattr(Collection, "update_many", answer_lost)
        with pytest.raises(AutoReconnect):
            lease.renew()

    lease.renew()
    assert lease.fence == 1


class Holders(RuleBasedStateMachine):
    """Three processes with clocks of their own, which run at rates up to 10 % apart and are never compared."""

    def __init__(self, leases: Collection[Document]) -> None:
        super().__init__()
        self.clocks = [FakeClock(at) for at in (0.0, 1e6, -500.0)]
        role = f"role-{uuid.uuid4().hex}"
        self.holders = [Lease(leases, role, clock=clock) for clock in self.clocks]
        self.highest = 0

    @rule(who=st.integers(0, 2))
    def acquire(self, who: int) -> None:
        before = self.highest
        if self.holders[who].acquire():
            assert self.holders[who].fence == before + 1
            self.highest = self.holders[who].fence

    @precondition(lambda self: any(each.fence for each in self.holders))
    @rule(who=st.integers(0, 2))
    def beat(self, who: int) -> None:
        try:
            self.holders[who].renew()
        except LeaseLost:
            assert self.holders[who].fence == 0

    @rule(who=st.integers(0, 2))
    def release(self, who: int) -> None:
        self.holders[who].release()

    @rule(
        seconds=st.sampled_from([0.2, 0.6, 1.0, 2.4, 3.0, 3.6]),
        rates=st.lists(st.floats(0.95, 1.05), min_size=3, max_size=3),
    )
    def time_passes(self, seconds: float, rates: list[float]) -> None:
        for clock, rate in zip(self.clocks, rates, strict=True):
            clock.advance(seconds * rate)

    @invariant()
    def at_most_one_is_sure_of_it(self) -> None:
        assert sum(map(_is_sure, self.holders)) <= 1

    @invariant()
    def only_the_highest_fence_is_sure_of_it(self) -> None:
        for holder in self.holders:
            assert not _is_sure(holder) or holder.fence == self.highest


def _is_sure(lease: Lease) -> bool:
    try:
        lease.check()
    except LeaseLost:
        return False
    return True


def test_never_do_two_hold_a_lease_and_its_fence_only_grows(leases: Collection[Document]) -> None:
    """Goes red when `_stands_still` waits for half the lease time, or `check` allows more than all of it."""
    run_state_machine_as_test(
        lambda: Holders(leases),  # type: ignore[arg-type]  # it takes any function that makes one
        settings=settings(
            max_examples=40, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
