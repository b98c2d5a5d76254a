"""The retention guard: what a durable reader has not read is never rolled over, and not a byte is held back in vain."""

from __future__ import annotations

import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pymongo.database import Database

from outbox import Outbox
from outbox.log.retention import Hold, Retention
from outbox.mongo.lease import Lease
from outbox.sequencer.sequencer import Sequencer
from tests.actors.order_service import Document, placed, totals
from tests.actors.small_log import CAP, empty, put_large, register, small_outbox

pytestmark = pytest.mark.oldest_server


@pytest.fixture
def outbox(database: Database[Document]) -> Outbox:
    return small_outbox(database)


def staged(outbox: Outbox) -> int:
    return outbox.collections.staging.count_documents({})


def test_without_durable_readers_the_log_rolls_over(outbox: Outbox) -> None:
    put_large(outbox, 20)

    assert outbox.log.head() == 20
    assert outbox.log.oldest() > 1


def test_a_reader_holds_the_sequencer_before_its_next_record_is_rolled_over(outbox: Outbox) -> None:
    """Goes red when `_hold_back` admits everything."""
    register(outbox, "relay:kafka", 2)

    put_large(outbox, 20)

    assert outbox.log.oldest() <= 3
    assert outbox.log.head() + staged(outbox) == 20
    assert staged(outbox) > 0


def test_what_was_held_back_is_appended_in_order_once_the_reader_has_gone_on(outbox: Outbox) -> None:
    register(outbox, "relay:kafka", 0)
    put_large(outbox, 10)
    assert staged(outbox) > 0

    while staged(outbox):
        register(outbox, "relay:kafka", outbox.log.head())
        outbox.sequence()

    assert totals(list(outbox.read())) == list(range(10))[-len(list(outbox.read())) :]
    assert outbox.log.head() == 10


def test_a_reader_whose_next_record_is_gone_holds_nobody(outbox: Outbox) -> None:
    put_large(outbox, 20)
    register(outbox, "consumer:late", outbox.log.oldest() - 2)

    put_large(outbox, 10)

    assert outbox.log.head() == 30


def test_a_reader_that_comes_later_and_further_behind_is_protected_too(outbox: Outbox) -> None:
    """Goes red when `Retention.spare` trusts what it measured for another reader."""
    put_large(outbox, 6)
    sequencer = Sequencer(outbox.collections)
    assert sequencer.take_over()
    register(outbox, "relay:kafka", 6)
    outbox.put(placed(6, note="x" * 2000), standalone=True)
    sequencer.sweep()
    register(outbox, "consumer:billing", 0)

    for number in range(5):
        outbox.put(placed(number, note="x" * 2000), standalone=True)
        hold = sequencer.sweep().hold
    sequencer.release()

    assert outbox.log.oldest() == 1
    assert hold == Hold("consumer:billing", 1)


@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(seed=st.integers(0, 10_000), position=st.integers(0, 12), largest=st.sampled_from([100, 800, 3000]))
def test_it_is_exact_at_the_edge_whatever_the_sizes(outbox: Outbox, seed: int, position: int, largest: int) -> None:
    """Goes red when the spare bytes are taken as one too many (a loss), or the first held batch would have fitted."""
    rng = random.Random(seed)
    empty(outbox)
    sequencer = Sequencer(outbox.collections)
    assert sequencer.take_over()
    try:
        for _ in range(13):
            put_and_sweep(outbox, sequencer, rng.randrange(largest))
        position = max(position, outbox.log.oldest() - 1)
        register(outbox, "relay:kafka", position)

        hold = None
        while hold is None:
            hold = put_and_sweep(outbox, sequencer, rng.randrange(largest))
    finally:
        sequencer.release()

    protected = outbox.log.batch_start(position + 1)
    kept = sum(len(each.raw) for each in outbox.log.batches_from(protected, 1000))
    assert outbox.log.oldest() <= position + 1
    assert kept <= CAP < kept + sequencer.appender.held_bytes


def put_and_sweep(outbox: Outbox, sequencer: Sequencer, size: int) -> Hold | None:
    outbox.put(placed(1, note="x" * size), standalone=True)
    return sequencer.sweep().hold


def test_measuring_weighs_more_batches_than_one_step_holds(outbox: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Goes red when `_measure` gives up after its first step."""
    monkeypatch.setattr("outbox.log.retention._STEP", 2)
    put_large(outbox, 20)
    register(outbox, "relay:kafka", 18)
    oldest = outbox.log.oldest()
    older = sum(len(each.raw) for each in outbox.log.batches_from(oldest, 1000) if each.last <= 18)

    lease = Lease(outbox.collections.leases, "sequencer")
    assert lease.acquire()
    spare, _ = Retention(outbox.collections, lease.fence).spare(older, CAP, outbox.log.head())

    assert spare >= older
