"""What a subscription has acknowledged."""

from __future__ import annotations

from outbox.remoting.acknowledging import Acknowledged


def given(*seqs: int) -> Acknowledged:
    made = Acknowledged()
    for seq in seqs:
        assert made.gives(seq)
    return made


def test_the_place_moves_over_what_is_acknowledged_without_a_gap() -> None:
    acknowledged = given(3, 5, 6)

    acknowledged.ack(5)
    assert (acknowledged.place, acknowledged.moved.is_set()) == (None, False)
    acknowledged.ack(3)
    assert (acknowledged.place, acknowledged.count, acknowledged.moved.is_set()) == (5, 2, True)
    acknowledged.ack(6)
    assert (acknowledged.place, acknowledged.count) == (6, 3)


def test_what_was_given_is_not_given_again() -> None:
    acknowledged = given(1, 2)

    assert not acknowledged.gives(2)
    assert not acknowledged.gives(1)
    assert acknowledged.gives(3)


def test_what_was_not_given_or_is_acknowledged_already_moves_nothing() -> None:
    acknowledged = given(2, 3)
    for seq in (1, 2, 2, 4):
        acknowledged.ack(seq)

    assert (acknowledged.place, acknowledged.count) == (2, 1)


def test_its_end_wakes_who_waits() -> None:
    acknowledged = given(1)
    acknowledged.end()

    assert acknowledged.moved.is_set()
