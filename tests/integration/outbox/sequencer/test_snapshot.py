"""A snapshot of staging gives each document once, whatever stamps somebody made up."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from bson import Timestamp
from pymongo.database import Database

from outbox import Outbox
from outbox.sequencer import snapshot
from outbox.sequencer.snapshot import Snapshot
from tests.actors.order_service import foreign, new_outbox, totals
from tests.doubles.executors import Now

Document = dict[str, Any]
FORGED = Timestamp(1_800_000_000, 7)


@pytest.fixture
def orders(database: Database[Document], monkeypatch: pytest.MonkeyPatch) -> Iterator[Outbox]:
    monkeypatch.setattr(snapshot, "PAGE_RECORDS", 10)
    with new_outbox(database, sequence=False) as outbox:
        yield outbox


def stage(orders: Outbox, *stamps: Timestamp) -> None:
    orders.collections.staging.insert_many([foreign(n, at=at) for n, at in enumerate(stamps)])


@pytest.mark.parametrize("before", [0, 4, 10])
@pytest.mark.parametrize("count", [1, 9, 10, 11, 20, 21, 55])
def test_it_gives_none_of_those_with_one_stamp_twice(orders: Outbox, before: int, count: int) -> None:
    """Goes red when only the last page is left out of the next: 1,300 messages became 50,000 records."""
    stage(orders, *(Timestamp(1_700_000_000, 1 + n) for n in range(before)), *[FORGED] * count)
    shown = Snapshot(orders.collections, Now(), 10)
    given: list[bytes] = []
    while not shown.is_done:
        given += shown.page()
        assert len(set(given)) == len(given)

    assert len(given) == before + count or not shown.is_whole


@pytest.mark.parametrize("count", [3, 10, 25, 100])
def test_messages_with_one_stamp_are_each_appended_once(orders: Outbox, count: int) -> None:
    later = [Timestamp(1_800_000_001, 1 + n) for n in range(5)]
    stage(orders, *[FORGED] * count, *later)

    assert orders.sequence() == count + 5
    assert sorted(totals(orders.read())) == list(range(count + 5))
    assert totals(orders.read())[count:] == list(range(count, count + 5))
    assert orders.collections.staging.count_documents({}) == 0
