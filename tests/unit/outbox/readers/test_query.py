"""Reading by what a subscriber asked for: which records it wants, and what it is told at a gap."""

from __future__ import annotations

from typing import Any, cast

import pytest
from bson import ObjectId

from outbox import HistoryLost, LogCorrupt
from outbox.log.batch import Batch
from outbox.log.record import Record
from outbox.readers.query import OnGap, Query, decoded, next_batches
from outbox.readers.reader import LogReader
from outbox.readers.start import Start
from tests.doubles.batches import batch_of, record

WHOLE = [Batch(7, 9, 1, 7, b"")]


class Log:
    """A reader that meets these gaps, one a read, and then gives what is whole."""

    def __init__(self, *gaps: HistoryLost) -> None:
        self.gaps = list(gaps)
        self.moves: list[int] = []

    def read_batches(self) -> list[Batch]:
        if self.gaps:
            raise self.gaps.pop(0)
        return WHOLE

    def move(self, position: int) -> None:
        self.moves.append(position)


def read(log: Log, start: Start, on_gap: OnGap = "error", *, delivered: bool = False) -> list[Batch]:
    return next_batches(cast("LogReader", log), Query(start, None, None, on_gap), delivered)


def made(type: str, key: str | None) -> Record[Any]:
    return Record(1, ObjectId().binary, 0, {"type": type, "key": key, "headers": {}, "data": None})


# ---- which records


@pytest.mark.parametrize(
    ("types", "key", "wanted"),
    [
        (None, None, ["a 1", "a 2", "b 1", "b None"]),
        (frozenset({"a"}), None, ["a 1", "a 2"]),
        (None, "1", ["a 1", "b 1"]),
        (frozenset({"b"}), "1", ["b 1"]),
        (frozenset({"a", "b"}), "2", ["a 2"]),
        (frozenset(), None, []),
        (None, "None", []),
    ],
)
def test_a_record_is_wanted_when_both_its_type_and_its_key_are(
    types: frozenset[str] | None, key: str | None, wanted: list[str]
) -> None:
    records = [made("a", "1"), made("a", "2"), made("b", "1"), made("b", None)]
    query = Query("earliest", types, key)

    assert [f"{each.type} {each.key}" for each in records if query.wants(each)] == wanted


# ---- at a gap


def test_without_a_gap_nothing_is_told() -> None:
    gaps: list[HistoryLost] = []

    assert read(Log(), 1, gaps.append) == WHOLE
    assert gaps == []


@pytest.mark.parametrize(("start", "delivered"), [(1, False), ("latest", False), ("earliest", True), (1, True)])
def test_a_gap_is_an_error_unless_something_else_was_asked_for(start: Start, delivered: bool) -> None:
    log = Log(HistoryLost(3, 7))

    with pytest.raises(HistoryLost) as raised:
        read(log, start, delivered=delivered)
    assert (raised.value.expected, raised.value.oldest) == (3, 7)
    assert log.moves == []


@pytest.mark.parametrize(("start", "delivered"), [(1, False), ("latest", False), ("earliest", True), (1, True)])
def test_who_is_told_of_a_gap_goes_on_at_the_oldest_record(start: Start, delivered: bool) -> None:
    log, gaps = Log(HistoryLost(3, 7)), list[HistoryLost]()

    assert read(log, start, gaps.append, delivered=delivered) == WHOLE
    assert [(each.expected, each.oldest) for each in gaps] == [(3, 7)]
    assert log.moves == [7]


def test_each_of_several_gaps_is_told() -> None:
    log, gaps = Log(HistoryLost(3, 7), HistoryLost(7, 20)), list[HistoryLost]()
    read(log, 1, gaps.append)

    assert [(each.expected, each.oldest) for each in gaps] == [(3, 7), (7, 20)]
    assert log.moves == [7, 20]


@pytest.mark.parametrize("on_gap", ["error", pytest.fail])
def test_earliest_promises_nothing_before_its_first_record(on_gap: OnGap) -> None:
    log = Log(HistoryLost(3, 7), HistoryLost(7, 20))

    assert read(log, "earliest", on_gap) == WHOLE
    assert log.moves == [7, 20]


def test_what_the_function_raises_is_raised_and_the_reader_stays_where_it_was() -> None:
    log = Log(HistoryLost(3, 7))

    def refuse(lost: HistoryLost) -> None:
        raise KeyError(lost.expected)

    with pytest.raises(KeyError):
        read(log, 1, refuse)
    assert log.moves == []


# ---- decoding


def test_the_records_of_all_batches_come_in_order() -> None:
    batches = [batch_of(*[record({"n": n}) for n in range(120)], first=1), batch_of(record({"n": 0}), first=121)]

    assert [each.seq for each in decoded(batches, lambda *_: None)] == list(range(1, 122))


def test_what_comes_before_the_position_is_left_out() -> None:
    batch = batch_of(*[record({"n": n}) for n in range(5)])._replace(skip=3)

    assert [each.seq for each in decoded([batch], lambda *_: None)] == [4, 5]


def test_a_message_is_what_the_decoder_makes_of_it() -> None:
    [one] = decoded([batch_of(record({"n": 7}))], lambda type, data, headers: (type, data))

    assert one.message == ("order", {"n": 7})


def test_what_cannot_be_read_is_met_only_when_its_turn_comes() -> None:
    """Goes red when all batches are decoded first: one bad batch would keep the good ones before it back."""
    good, bad = batch_of(record({"n": 1})), batch_of(record({"n": 2}), first=2)
    bad = bad._replace(raw=bad.raw.replace(b"\x07id\x00", b"\x07ix\x00"))
    records = decoded([good, bad], lambda *_: None)

    assert next(records).seq == 1
    with pytest.raises(LogCorrupt, match="the batch 2"):
        next(records)
