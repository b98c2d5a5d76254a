"""Reading ahead: one at most, in order, and an error where its item would be."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from outbox.archive.read_ahead import ReadAhead
from tests.waiting import wait_until


class Items:
    """Three items; the last one fails, if it is to."""

    def __init__(self, *, fails: bool = False) -> None:
        self.read = 0
        self._fails = fails

    def __iter__(self) -> Iterator[int]:
        for number in (1, 2, 3):
            self.read = number
            if self._fails and number == 3:
                raise OSError("away")
            yield number


def test_all_items_come_in_order() -> None:
    with closing(ReadAhead(iter(Items()))) as ahead:
        found = []
        for item in ahead:
            ahead.begin()
            found.append(item)

    assert found == [1, 2, 3]


def test_one_is_read_ahead_and_never_more() -> None:
    items = Items()
    with closing(ReadAhead(iter(items))) as ahead:
        next(ahead)
        assert items.read == 1
        ahead.begin()
        ahead.begin()
        wait_until(lambda: items.read == 2, 10, "nothing is read ahead")
        next(ahead)
        assert items.read == 2


def test_an_error_is_raised_where_its_item_would_have_come() -> None:
    with closing(ReadAhead(iter(Items(fails=True)))) as ahead:
        assert next(ahead) == 1
        ahead.begin()
        assert next(ahead) == 2
        ahead.begin()
        with pytest.raises(OSError, match="away"):
            next(ahead)
