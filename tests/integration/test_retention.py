"""The retention guard: what a durable reader has not read is never rolled over, and not a byte is held back in vain."""

from __future__ import annotations

import logging
import random

import pytest
from bson import Int64
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pymongo.database import Database

from outbox import Outbox
from outbox.batch import GENESIS
from outbox.log import validator
from outbox.retention import Hold, Retention
from outbox.sequencer import Sequencer
from outbox.sequencing import Held
from outbox.testing import FakeClock
from tests.orders import Document, new_outbox, placed, totals, warnings_of

CAP = 256 * 64


@pytest.fixture
def outbox(database: Database[Document]) -> Outbox:
    """An outbox whose log is smaller than create() would make it, so that a few messages fill it."""
    outbox = new_outbox(database)
    empty(outbox)
    return outbox


def empty(outbox: Outbox) -> None:
    for collection in (outbox.collections.log, outbox.collections.cursors):
        collection.drop()
    outbox.collections.staging.delete_many({})
    database = outbox.collections.database
    database.create_collection("outbox", capped=True, size=CAP, validator=validator(0)).insert_one(dict(GENESIS))


def register(outbox: Outbox, reader: str, seq: int) -> None:
    values = {"seq": Int64(seq), "created": None, "id": None, "updated": None, "fence": Int64(1)}
    outbox.collections.cursors.replace_one({"_id": reader}, values, upsert=True)


def put_large(outbox: Outbox, count: int, size: int = 2000) -> None:
    """Each in a batch of its own in the log: swept one by one."""
    for number in range(count):
        outbox.put(placed(number, note="x" * size))
        outbox.sequence()


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
    outbox.put(placed(6, note="x" * 2000))
    sequencer.sweep()
    register(outbox, "consumer:billing", 0)

    for number in range(5):
        outbox.put(placed(number, note="x" * 2000))
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

    protected = outbox.log.first_of(position + 1)
    kept = sum(len(each.raw) for each in outbox.log.since(protected, 1000))
    assert outbox.log.oldest() <= position + 1
    assert kept <= CAP < kept + sequencer._held_bytes


def put_and_sweep(outbox: Outbox, sequencer: Sequencer, size: int) -> Hold | None:
    outbox.put(placed(1, note="x" * size))
    return sequencer.sweep().hold


def test_a_hold_is_warned_of_when_it_begins_and_every_ten_seconds(caplog: pytest.LogCaptureFixture) -> None:
    clock = FakeClock()
    held = Held(clock)
    with caplog.at_level(logging.WARNING, "outbox"):
        for _ in range(21):
            held.note(Hold("relay:kafka", 7))
            clock.advance(1)

    assert len(warnings_of(caplog)) == 3
    assert "'relay:kafka'" in warnings_of(caplog)[0]
    assert "seq 7" in warnings_of(caplog)[0]


def test_measuring_weighs_more_batches_than_one_step_holds(outbox: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Goes red when `_measure` gives up after its first step."""
    monkeypatch.setattr("outbox.retention._STEP", 2)
    put_large(outbox, 20)
    register(outbox, "relay:kafka", 18)
    oldest = outbox.log.oldest()
    older = sum(len(each.raw) for each in outbox.log.since(oldest, 1000) if each.last <= 18)

    spare, _ = Retention(outbox.collections).spare(older, CAP, outbox.log.head())

    assert spare >= older
