"""What one reader read last: given to others exactly as the log has it, or not at all."""

from __future__ import annotations

from uuid import UUID

from bson.binary import Binary
from hypothesis import given
from hypothesis import strategies as st

from outbox.log.batch import Batch
from outbox.readers.recent import KEPT_BYTES, Recent, Sight

SIGHT = Sight(Binary.from_uuid(UUID(int=1)), None, 0, None, (None, None))


def _batches(first: int, sizes: list[int], weight: int = 100) -> list[Batch]:
    batches = []
    for size in sizes:
        batches.append(Batch(first, first + size - 1, 1, first, bytes(weight)))
        first += size
    return batches


def _recent(first: int, sizes: list[int], weight: int = 100) -> Recent:
    recent = Recent()
    for batch in _batches(first, sizes, weight):
        recent.add(SIGHT, [batch], batch.last + 1)
    return recent


def test_nothing_is_known_before_anything_was_read() -> None:
    assert Recent().since(0) is None


def test_at_the_head_there_is_nothing_to_come() -> None:
    recent = Recent()
    recent.add(SIGHT, [], 7)
    assert recent.since(7) == []


def test_what_came_before_is_the_server_s_to_tell() -> None:
    assert _recent(7, [2]).since(6) is None


def test_what_is_beyond_the_head_is_the_server_s_to_tell() -> None:
    assert _recent(7, [2]).since(10) is None


def test_the_inside_of_a_batch_is_the_server_s_to_tell() -> None:
    assert _recent(7, [2, 2]).since(8) is None
    assert _recent(7, [2, 2]).since(10) is None


def test_after_it_has_forgotten_only_the_server_can_tell() -> None:
    recent = _recent(7, [2])
    recent.forget()
    assert recent.since(7) is None
    assert recent.since(9) is None


def test_what_was_read_before_the_tail_s_cursor_ended_is_not_given() -> None:
    """Between two cursors the log may have become another."""
    recent = _recent(7, [2])
    recent.add(SIGHT._replace(breaks=2), _batches(9, [1]), 10)
    assert recent.since(7) is None
    assert recent.since(9) == _batches(9, [1])


def test_it_keeps_the_newest_and_always_the_last_one() -> None:
    recent = _recent(1, [1] * 10, weight=KEPT_BYTES // 4)
    assert recent.since(7) == _batches(7, [1] * 4, weight=KEPT_BYTES // 4)
    assert recent.since(6) is None
    recent.add(SIGHT, _batches(11, [1], weight=2 * KEPT_BYTES), 12)
    assert recent.since(10) is None
    assert recent.since(11) == _batches(11, [1], weight=2 * KEPT_BYTES)


@given(st.integers(1, 100), st.lists(st.integers(1, 5), min_size=1), st.integers(0, 600))
def test_what_it_gives_is_all_that_comes_from_a_place_on(first: int, sizes: list[int], position: int) -> None:
    batches = _batches(first, sizes)
    found = _recent(first, sizes).since(position)
    begins = [batch.first for batch in batches]
    if position in begins:
        assert found == batches[begins.index(position) :]
    elif position == batches[-1].last + 1:
        assert found == []
    else:
        assert found is None
