"""What this process appended itself: given to its readers exactly as the log has it, or not at all."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from outbox.log.batch import Batch
from outbox.readers.append_cache import AppendCache

ALL = 1 << 30


def _batches(first: int, sizes: list[int], weight: int = 100) -> list[Batch]:
    batches = []
    for size in sizes:
        batches.append(Batch(first, first + size - 1, 1, first, bytes(weight)))
        first += size
    return batches


def _numbers(batches: list[Batch] | None) -> list[tuple[int, int]] | None:
    return None if batches is None else [(each.first, each.last) for each in batches]


def test_it_knows_nothing_before_this_process_appends() -> None:
    assert AppendCache().since(0, ALL) is None
    assert AppendCache().since(1, ALL) is None


def test_at_the_head_there_is_nothing_to_come() -> None:
    appended = AppendCache()
    appended.begin(1, 7)
    assert appended.since(7, ALL) == []
    appended.add(_batches(7, [2]))
    assert appended.since(9, ALL) == []


def test_what_came_before_is_the_server_s_to_tell() -> None:
    appended = AppendCache()
    appended.begin(1, 7)
    appended.add(_batches(7, [2]))
    assert appended.since(6, ALL) is None


def test_what_is_beyond_the_head_is_the_server_s_to_tell() -> None:
    appended = AppendCache()
    appended.begin(1, 7)
    assert appended.since(8, ALL) is None


def test_after_the_end_only_the_server_can_tell() -> None:
    appended = AppendCache()
    appended.begin(1, 7)
    appended.add(_batches(7, [2]))
    appended.end()
    assert appended.since(7, ALL) is None
    assert appended.since(9, ALL) is None


def test_a_position_inside_a_batch_is_in_the_first_one_given() -> None:
    appended = AppendCache()
    appended.begin(1, 1)
    appended.add(_batches(1, [3, 3, 3]))
    assert _numbers(appended.since(5, ALL)) == [(4, 6), (7, 9)]


def test_no_more_than_asked_for_but_always_one() -> None:
    appended = AppendCache()
    appended.begin(1, 1)
    appended.add(_batches(1, [1, 1, 1], weight=100))
    assert _numbers(appended.since(1, 250)) == [(1, 1), (2, 2)]
    assert _numbers(appended.since(1, 1)) == [(1, 1)]


def test_it_keeps_only_the_newest_bytes() -> None:
    appended = AppendCache()
    appended.begin(1, 1)
    for n in range(100):
        appended.add(_batches(1 + n, [1], weight=1 << 20))
    assert appended.since(96, ALL) is None
    assert _numbers(appended.since(97, ALL)) == [(97, 97), (98, 98), (99, 99), (100, 100)]


@given(st.lists(st.lists(st.integers(1, 5), min_size=1, max_size=5), max_size=8), st.data())
def test_every_position_gets_what_the_log_has_from_there_on(parts: list[list[int]], data: st.DataObject) -> None:
    appended, first, log = AppendCache(), 4, list[Batch]()
    appended.begin(1, first)
    for sizes in parts:
        batches = _batches(log[-1].last + 1 if log else first, sizes)
        appended.add(batches)
        log += batches
    head = log[-1].last if log else first - 1
    position = data.draw(st.integers(0, head + 3))

    found = appended.since(position, ALL)

    if position < first or position > head + 1:
        assert found is None
    else:
        assert found == [each for each in log if each.last >= position]
