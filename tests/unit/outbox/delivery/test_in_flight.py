"""The contiguous prefix."""

from __future__ import annotations

from datetime import UTC, datetime

from bson import ObjectId
from hypothesis import given
from hypothesis import strategies as st

from outbox.delivery.in_flight import InFlight
from outbox.log.position import Mark, Position

NOTHING: Position = (0, None, None)
ID = ObjectId()


def mark(seq: int) -> Mark:
    return seq, 1000 * seq, ID.binary


def test_the_prefix_has_the_date_and_the_id_of_its_last_record() -> None:
    inflight = InFlight(NOTHING)
    inflight.sent([mark(1), mark(2)])
    inflight.acknowledged(1)

    assert inflight.advance() == (1, datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC), ID)


def test_an_acknowledgement_behind_a_gap_does_not_move_the_prefix() -> None:
    inflight = InFlight(NOTHING)
    inflight.sent([mark(1), mark(2), mark(3)])

    inflight.acknowledged(2)
    inflight.acknowledged(3)

    assert inflight.advance()[0] == 0
    assert len(inflight) == 3


def test_the_missing_one_moves_it_over_all_of_them() -> None:
    inflight = InFlight(NOTHING)
    inflight.sent([mark(1), mark(2), mark(3)])
    for seq in (3, 2, 1):
        inflight.acknowledged(seq)

    assert inflight.advance()[0] == 3
    assert len(inflight) == 0


def test_numbers_that_were_never_sent_are_no_gap() -> None:
    inflight = InFlight((4, None, None))
    inflight.sent([mark(9)])
    inflight.acknowledged(9)

    assert inflight.advance()[0] == 9


@given(st.permutations(range(1, 20)), st.integers(0, 19))
def test_it_is_always_the_longest_run_of_acknowledged_records(order: list[int], count: int) -> None:
    inflight = InFlight(NOTHING)
    inflight.sent([mark(seq) for seq in range(1, 20)])
    acknowledged = set(order[:count])
    for seq in order[:count]:
        inflight.acknowledged(seq)
        inflight.advance()

    expected = next(seq for seq in range(20) if seq + 1 not in acknowledged)
    assert inflight.advance()[0] == expected
