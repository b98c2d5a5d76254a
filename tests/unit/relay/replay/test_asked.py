"""What a replay is asked for: from where to where, by seqs, dates and words, both ends included."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from outbox.errors import HistoryLost, InvalidStart
from outbox.readers.start import Start
from relay.replay.asked import Asked, read_place
from tests.doubles.records import record

DAY = datetime(2025, 1, 1, tzinfo=UTC)


class Days:
    """A log of the seqs 3 to 9; each was created that many days after DAY."""

    def head(self) -> int:
        return 9

    def earliest(self) -> int:
        return 3

    def oldest(self) -> int:
        return 3

    def seq_at(self, date: datetime) -> int:
        return next((seq for seq in range(3, 10) if DAY + timedelta(days=seq) >= date), 10)


@pytest.mark.parametrize(
    ("first", "last", "seqs"),
    [
        (4, 7, (4, 7)),
        ("earliest", "latest", (3, 9)),
        (DAY + timedelta(days=5), DAY + timedelta(days=6), (5, 6)),
        (DAY + timedelta(days=4.5), DAY + timedelta(days=4.6), (5, 4)),
        ("earliest", "earliest", (3, 3)),
        ("latest", "latest", (10, 9)),
        (DAY, 4, (3, 4)),
    ],
)
def test_both_ends_are_included(first: Start, last: Start, seqs: tuple[int, int]) -> None:
    assert Asked(first, last).resolve(Days()) == seqs


def test_what_is_beyond_the_log_or_the_wrong_way_round_is_refused() -> None:
    with pytest.raises(InvalidStart, match="--to 10 is beyond the log, whose newest seq is 9"):
        Asked(3, 10).resolve(Days())
    with pytest.raises(InvalidStart, match="start=11 is beyond the log"):
        Asked(11, "latest").resolve(Days())
    with pytest.raises(InvalidStart, match="--from 8 --to 4: it ends before it begins"):
        Asked(8, 4).resolve(Days())


def test_a_seq_that_was_rolled_over_is_lost_and_no_silent_gap() -> None:
    with pytest.raises(HistoryLost):
        Asked(2, 5).resolve(Days())


def test_only_the_types_and_the_key_that_are_asked_for_are_wanted() -> None:
    assert Asked(1, 2).wanted is None
    wanted = Asked(1, 2, ("order.placed",), "a").wanted
    assert wanted is not None
    assert [wanted(record(1)), wanted(record(1, key="b")), wanted(record(1, type="x"))] == [True, False, False]


def test_the_same_is_asked_for_whatever_the_zone_and_the_order_are() -> None:
    eastern = datetime.fromisoformat("2025-01-01T02:00+02:00")

    assert Asked(DAY, 2, ("b", "a")).document() == Asked(eastern, 2, ("a", "b")).document()
    assert Asked(1, 2).document() != Asked(1, 3).document()


def test_a_place_is_a_seq_a_date_or_one_of_two_words() -> None:
    assert [read_place(text, "--to") for text in ("7", "latest", "2025-01-01")] == [7, "latest", DAY]
    with pytest.raises(InvalidStart, match="--to 'yesterday' is none of: a seq, a date"):
        read_place("yesterday", "--to")
