"""The reader of the view: records and position commit together, under the fence of whoever holds the lease."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from pymongo.database import Database
from pymongo.errors import AutoReconnect

from outbox import Outbox, Record, tombstone
from outbox.consumers.in_transaction import InTransaction
from outbox.latest.view import READER, LatestView
from outbox.mongo.holder_session import HolderSession
from outbox.shares.layout import share_cursor
from tests.actors.catalogue import Price, new_catalogue, price
from tests.actors.latest_view import entries, keep, number
from tests.waiting import wait_until

pytestmark = pytest.mark.oldest_server

Document = dict[str, Any]


@pytest.fixture
def catalogue(database: Database[Document]) -> Iterator[Outbox]:
    with new_catalogue(database) as outbox:
        yield outbox


def saved(catalogue: Outbox) -> int | None:
    return LatestView(catalogue.collections).position()


def test_neither_the_view_nor_the_position_moves_alone(catalogue: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    number(catalogue, price("a", 1))
    keep(catalogue)
    number(catalogue, price("a", 2), price("b", 1))
    apply = LatestView.apply
    seen: list[tuple[dict[str, int], int | None]] = []

    def applied(view: LatestView, *arguments: Any) -> None:
        apply(view, *arguments)
        seen.append((entries(catalogue), saved(catalogue)))
        if len(seen) == 1:
            raise AutoReconnect("the connection is lost before the commit")

    monkeypatch.setattr(LatestView, "apply", applied)
    keep(catalogue)

    assert set(map(str, seen)) == {str(({"price/a": 1}, 1))}
    assert (entries(catalogue), saved(catalogue)) == ({"price/a": 2, "price/b": 3}, 3)


def test_a_commit_that_nobody_knows_of_is_asked_for(catalogue: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    number(catalogue, price("a", 1), price("a", 2))
    transact = InTransaction._transact
    tries: list[int] = []

    def lost(target: InTransaction, records: Sequence[Record[Any]]) -> None:
        transact(target, records)
        tries.append(records[-1].seq)
        if len(tries) == 1:
            raise AutoReconnect("the answer to the commit is lost")

    monkeypatch.setattr(InTransaction, "_transact", lost)
    keep(catalogue)
    number(catalogue, price("b", 1))
    keep(catalogue)

    assert tries == [2, 3]
    assert entries(catalogue) == {"price/a": 2, "price/b": 3}


def test_a_holder_whose_time_is_over_writes_nothing(catalogue: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    number(catalogue, price("a", 1))
    keep(catalogue)
    number(catalogue, price("a", 2))
    apply = LatestView.apply
    fences: list[int] = []

    def overtaken(view: LatestView, *arguments: Any) -> None:
        if not fences:
            [fence] = catalogue.collections.cursors.distinct("fence")
            fences.append(fence)
            share_cursor(catalogue.collections.cursors, READER).claim(fence + 1)
        apply(view, *arguments)
        seen.append((entries(catalogue), saved(catalogue)))

    seen: list[tuple[dict[str, int], int | None]] = []
    monkeypatch.setattr(LatestView, "apply", overtaken)
    with catalogue.running():
        wait_until(lambda: fences, 30, "another to claim the cursor")
    catalogue._feed.join(10)

    assert all(each == ({"price/a": 1}, 1) for each in seen)
    assert (entries(catalogue), saved(catalogue)) == ({"price/a": 1}, 1)


def test_whoever_takes_over_need_not_wait_for_a_transaction_that_was_left_open(catalogue: Outbox) -> None:
    """The server keeps it for a minute."""
    number(catalogue, price("a", 1))
    keep(catalogue)
    cursors = catalogue.collections.cursors
    [fence] = cursors.distinct("fence")
    session = HolderSession(cursors, READER).begun(fence)
    session.start_transaction()
    cursors.update_one({"_id": READER}, {"$set": {"seq": 99}}, session=session)

    number(catalogue, price("a", 2))
    keep(catalogue)

    assert (entries(catalogue), saved(catalogue)) == ({"price/a": 2}, 2)


def test_a_session_that_has_ended_is_noted_no_more(catalogue: Outbox) -> None:
    """The driver may use it for others, whose work is not to be ended."""
    number(catalogue, price("a", 1))
    with catalogue.running():
        wait_until(lambda: "session" in (catalogue.collections.cursors.find_one({"_id": READER}) or {}), 30, "a note")
    catalogue._feed.join(10)

    found = catalogue.collections.cursors.find_one({"_id": READER})
    assert found is not None
    assert "session" not in found


def test_many_records_of_one_id_in_one_portion_are_its_newest(catalogue: Outbox) -> None:
    number(catalogue, *(price("a", cents) for cents in range(300)), tombstone(Price, key="b"), price("b", 1))
    number(catalogue, price("c", 1), tombstone(Price, key="c"))
    keep(catalogue)

    assert entries(catalogue) == {"price/a": 300, "price/b": 302}
