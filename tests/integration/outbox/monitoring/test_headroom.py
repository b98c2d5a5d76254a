"""Headroom: what status says of a reader is what the sequencer will do, whatever the log holds."""

from __future__ import annotations

from collections.abc import Callable
from itertools import accumulate

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pymongo.database import Database

from outbox import Headroom, Outbox
from outbox.monitoring.headroom import HeadroomGauge
from outbox.sequencer.sequencer import Sequencer
from tests.actors.order_service import Document, placed
from tests.actors.small_log import CAP, append, empty, put_large, register, small_outbox

READER = "relay:kafka"
Batches = list[tuple[int, int]]

batches = st.lists(st.tuples(st.integers(1, 4), st.integers(0, 1500)), max_size=25)
few_examples = settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@pytest.fixture
def outbox(database: Database[Document]) -> Outbox:
    return small_outbox(database)


def headroom(outbox: Outbox, seq: int, cap: int = CAP) -> Headroom | None:
    return HeadroomGauge(outbox.collections, cap).headrooms({READER: seq})[READER]


def kept(outbox: Outbox, seq: int) -> list[Document]:
    """What the log must still hold for a reader that has acknowledged `seq`: all but what ends before its next."""
    return [each for each in outbox.collections.log.find({"_id": {"$gt": 0}}) if each["last"] > seq]


def weight(outbox: Outbox, found: list[Document]) -> int:
    sizes = {each.first: len(each.raw) for each in outbox.log.batches_from(1, 10_000)}
    return sum(sizes[each["_id"]] for each in found)


# ---- bytes


@few_examples
@given(batches=batches, data=st.data())
def test_it_is_the_cap_less_what_must_be_kept(outbox: Outbox, batches: Batches, data: st.DataObject) -> None:
    """Goes red when a batch is left out, or counted in, on either side of the reader."""
    empty(outbox)
    append(outbox, batches)
    seq = data.draw(st.integers(outbox.log.oldest() - 1, outbox.log.head()))

    found = headroom(outbox, seq)

    assert found is not None
    assert found.bytes == CAP - weight(outbox, kept(outbox, seq))


@few_examples
@given(sizes=st.lists(st.integers(0, 3000), min_size=1, max_size=12), position=st.integers(0, 12))
def test_the_sequencer_appends_as_much_and_not_a_byte_more(outbox: Outbox, sizes: list[int], position: int) -> None:
    empty(outbox)
    append(outbox, [(1, 500)] * 12)
    register(outbox, READER, position)
    sequencer = Sequencer(outbox.collections)
    assert sequencer.take_over()
    try:
        for size in sizes:
            outbox.put(placed(1, note="x" * size), standalone=True)
            found = headroom(outbox, position)
            hold = sequencer.sweep().hold
            newest = outbox.log.batch_at(outbox.log.head())
            assert found is not None
            assert newest is not None
            if hold is not None:
                assert sequencer.appender.held_bytes > found.bytes
                return
            assert len(newest.raw) <= found.bytes
    finally:
        sequencer.release()


@few_examples
@given(batches=st.lists(st.tuples(st.integers(1, 4), st.integers(0, 300)), min_size=12, max_size=25), data=st.data())
def test_a_large_log_is_estimated_by_its_samples(
    outbox: Outbox, monkeypatch: pytest.MonkeyPatch, batches: Batches, data: st.DataObject
) -> None:
    """Never more than if all records weighed as much as the heaviest, nor less than if all were as the lightest."""
    monkeypatch.setattr("outbox.log.weight._FEW", 2)
    monkeypatch.setattr("outbox.log.weight._SAMPLES", 5)
    empty(outbox)
    append(outbox, batches)
    oldest, head = outbox.log.oldest(), outbox.log.head()
    seq = data.draw(st.integers(oldest - 1, head))

    found = headroom(outbox, seq)

    shares = [len(each.raw) / (each.last - each.first + 1) for each in outbox.log.batches_from(1, 100)]
    first = outbox.log.batch_start(seq + 1)
    size = HeadroomGauge(outbox.collections, CAP).size
    assert found is not None
    if head + 1 - first <= first - oldest:
        least, most = (CAP - (head + 1 - first) * share for share in (max(shares), min(shares)))
    else:
        least, most = (CAP - size + (first - oldest) * share for share in (min(shares), max(shares)))
    assert int(least) - 1 <= found.bytes <= min(CAP, most + genesis_bytes(outbox)) + 1


def genesis_bytes(outbox: Outbox) -> int:
    found = list(
        outbox.collections.log.aggregate([{"$match": {"_id": 0}}, {"$project": {"n": {"$bsonSize": "$$ROOT"}}}])
    )
    return int(found[0]["n"]) if found else 0


@pytest.mark.parametrize("few", [0, 1000])
def test_the_estimate_of_records_of_one_size_is_exact(
    outbox: Outbox, monkeypatch: pytest.MonkeyPatch, few: int
) -> None:
    monkeypatch.setattr("outbox.log.weight._FEW", few)
    append(outbox, [(1, 100)] * 200)
    oldest, head = outbox.log.oldest(), outbox.log.head()

    for seq in (oldest, oldest + 10, (oldest + head) // 2, head - 10, head):
        found = headroom(outbox, seq)
        assert found is not None
        assert found.bytes == pytest.approx(CAP - weight(outbox, kept(outbox, seq)), abs=1)


def test_a_log_of_any_size_costs_a_bounded_number_of_reads(outbox: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Goes red when the batches of a side are all weighed."""
    append(outbox, [(1, 0)] * 200)
    weighed = []
    collection = type(outbox.collections.log)
    aggregate = collection.aggregate
    monkeypatch.setattr(collection, "aggregate", lambda *args: weighed.append(args[1]) or aggregate(*args))
    monkeypatch.setattr("outbox.log.weight._FEW", 8)

    headroom(outbox, (outbox.log.oldest() + outbox.log.head()) // 2)

    assert [stages for stages in weighed if "$match" in stages[0]] == []


# ---- who has none


def test_a_reader_at_the_head_has_the_whole_cap(outbox: Outbox) -> None:
    put_large(outbox, 20)

    found = headroom(outbox, 20)

    assert found is not None
    assert found.bytes == CAP


def test_a_reader_whose_next_record_is_gone_has_none(outbox: Outbox) -> None:
    put_large(outbox, 20)

    assert headroom(outbox, outbox.log.oldest() - 2) is None


def test_a_cursor_beyond_the_log_has_none(outbox: Outbox) -> None:
    put_large(outbox, 2)

    assert headroom(outbox, 3) is None


def test_an_empty_log_has_bytes_but_neither_records_nor_a_time(outbox: Outbox) -> None:
    assert headroom(outbox, 0) == Headroom(CAP, None, None)


# ---- records and time


def test_records_are_counted_by_the_average_of_the_log(outbox: Outbox) -> None:
    append(outbox, [(2, 100), (1, 400)])
    gauge = HeadroomGauge(outbox.collections, CAP)

    found = gauge.headrooms({READER: 3})[READER]

    assert found is not None
    assert found.records == int(CAP / (gauge.size / 3))


def seconds_a_record(outbox: Outbox) -> float | None:
    """The time that each record of the headroom counts for."""
    gauge = HeadroomGauge(outbox.collections, CAP)
    head = outbox.log.head()
    found = gauge.headrooms({READER: head})[READER]
    assert found is not None
    return None if found.seconds is None else found.seconds / (CAP / (gauge.size / (head - outbox.log.oldest() + 1)))


def dated(outbox: Outbox, dates: list[int]) -> None:
    append(outbox, [(len(dates), 0)], dates)


gaps = st.lists(st.sampled_from([0, 1, 40, 999, 5_000, 60_000, 400_000]), max_size=150)


@few_examples
@given(gaps=gaps)
@example(gaps=[400_000] * 3 + [10] * 120)
def test_the_rate_is_that_of_the_newest_five_minutes_and_hundred_records(outbox: Outbox, gaps: list[int]) -> None:
    empty(outbox, cap=1 << 20)
    dates = list(accumulate(gaps, initial=0))
    dated(outbox, dates)

    found = seconds_a_record(outbox)

    recent = [date for date in dates if date >= dates[-1] - 300_000]
    newest = dates[-max(len(recent), 100) :]
    span = newest[-1] - newest[0]
    if span < 1000:
        assert found is None
    else:
        assert found == pytest.approx(span / 1000 / (len(newest) - 1), rel=0.01)


def at_rate(milliseconds: int) -> Callable[[int], list[int]]:
    return lambda count: [index * milliseconds for index in range(count)]


def test_an_idle_log_has_the_rate_at_which_it_was_last_written(outbox: Outbox) -> None:
    """Its records are of 2023; no clock is asked how long ago that is."""
    dated(outbox, at_rate(500)(20))

    assert seconds_a_record(outbox) == pytest.approx(0.5, rel=0.01)


def test_a_message_an_hour_is_a_rate_too(outbox: Outbox) -> None:
    """Goes red when only the records of five minutes count."""
    dated(outbox, at_rate(3_600_000)(3))

    assert seconds_a_record(outbox) == pytest.approx(3600, rel=0.01)


def test_a_log_younger_than_a_second_has_no_rate(outbox: Outbox) -> None:
    dated(outbox, at_rate(30)(30))

    assert seconds_a_record(outbox) is None


def test_a_date_that_python_cannot_hold_hurts_nothing(outbox: Outbox) -> None:
    dated(outbox, [0, 300_000_000_000_000])

    assert seconds_a_record(outbox) == pytest.approx(300_000_000_000, rel=0.01)
