"""The contiguous prefix."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from relay.encoding import Position
from relay.inflight import InFlight

NOTHING: Position = (0, None, None)


def test_an_acknowledgement_behind_a_gap_does_not_move_the_prefix() -> None:
    inflight = InFlight(NOTHING)
    inflight.sent([(1, None, None), (2, None, None), (3, None, None)])

    inflight.acknowledged(2)
    inflight.acknowledged(3)

    assert inflight.advance()[0] == 0
    assert len(inflight) == 3


def test_the_missing_one_moves_it_over_all_of_them() -> None:
    inflight = InFlight(NOTHING)
    inflight.sent([(1, None, None), (2, None, None), (3, None, None)])
    for seq in (3, 2, 1):
        inflight.acknowledged(seq)

    assert inflight.advance()[0] == 3
    assert len(inflight) == 0


def test_numbers_that_were_never_sent_are_no_gap() -> None:
    inflight = InFlight((4, None, None))
    inflight.sent([(9, None, None)])
    inflight.acknowledged(9)

    assert inflight.advance()[0] == 9


@given(st.permutations(range(1, 20)), st.integers(0, 19))
def test_it_is_always_the_longest_run_of_acknowledged_records(order: list[int], count: int) -> None:
    inflight = InFlight(NOTHING)
    inflight.sent([(seq, None, None) for seq in range(1, 20)])
    acknowledged = set(order[:count])
    for seq in order[:count]:
        inflight.acknowledged(seq)
        inflight.advance()

    expected = next(seq for seq in range(20) if seq + 1 not in acknowledged)
    assert inflight.advance()[0] == expected
