"""Subscribing to the latest: the view first, then the live records, with no gap and no repeat between them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from pymongo.database import Database
from pymongo.errors import OperationFailure

from outbox import InvalidSelector, Outbox, UnknownMessage, tombstone
from outbox.latest import view
from outbox.latest.view import LatestView
from tests.actors.catalogue import BasketLine, Price, Viewed, line, new_catalogue, price, staged, viewed
from tests.actors.latest_view import entries, following, keep, number
from tests.actors.order_service import OrderPlaced
from tests.waiting import wait_until

pytestmark = pytest.mark.oldest_server

Document = dict[str, Any]


@pytest.fixture
def catalogue(database: Database[Document]) -> Iterator[Outbox]:
    with new_catalogue(database) as outbox:
        yield outbox


def test_the_newest_of_each_id_comes_first_and_then_what_is_put(catalogue: Outbox) -> None:
    number(catalogue, price("a", 1), price("b", 1), line("o1", 7, 1), viewed("x"), price("a", 2), line("o1", 8, 1))
    number(catalogue, tombstone(Price, key="b"), line("o1", 7, 3))
    keep(catalogue)

    with following(catalogue) as follower:
        follower.wait_for(3)
        assert follower.seqs == [5, 6, 8]
        catalogue.put([price("c", 1), viewed("y"), tombstone(BasketLine, key="o1", line_id=8)], standalone=True)
        follower.wait_for(5)

    assert follower.seqs == [5, 6, 8, 9, 11]
    assert [record.data is None for record in follower.records] == [False, False, False, False, True]
    first = follower.records[0]
    assert (first.type, first.key, first.headers, first.data) == ("price", "a", {}, {"sku": "a", "cents": 2})
    assert first.message == price("a", 2)
    assert first == catalogue.log.record_at(5)


def test_a_subscriber_before_anything_was_put_gets_it_live(catalogue: Outbox) -> None:
    with following(catalogue) as follower:
        catalogue.put([price("a", 1), price("a", 2)], standalone=True)
        wait_until(lambda: 2 in follower.seqs, 30, "the newest")

    assert follower.seqs in ([1, 2], [2])


def test_only_the_types_asked_for_come_in_both_parts(catalogue: Outbox) -> None:
    number(catalogue, price("a", 1), line("o1", 7, 1))
    keep(catalogue)

    with following(catalogue, [BasketLine]) as follower, following(catalogue, ["price"]) as other:
        follower.wait_for(1)
        other.wait_for(1)
        catalogue.put([price("b", 1), line("o1", 8, 1), price("c", 1)], standalone=True)
        follower.wait_for(2)
        other.wait_for(3)

    assert follower.seqs == [2, 4]
    assert other.seqs == [1, 3, 5]


def test_what_has_no_id_is_in_neither_part(catalogue: Outbox) -> None:
    """Only another language's writer puts such."""
    catalogue.collections.staging.insert_many([staged("price", {"sku": "k"}, None), staged("line", {"order_id": "o"})])
    catalogue.sequence()
    keep(catalogue)
    assert entries(catalogue) == {}

    with following(catalogue) as follower:
        catalogue.put(price("a", 1), standalone=True)
        catalogue.collections.staging.insert_one(staged("price", {"sku": "k"}, None))
        catalogue.put(price("a", 2), standalone=True)
        wait_until(lambda: 5 in follower.seqs, 30, "the last")

    assert follower.seqs in ([3, 5], [5])


def test_a_type_that_is_not_compacted_has_no_latest(catalogue: Outbox, database: Database[Document]) -> None:
    with following(catalogue, [Viewed]) as follower:
        wait_until(lambda: follower.errors, 30, "the error")
    assert isinstance(follower.errors[0], InvalidSelector)
    assert "'view': nothing keeps the latest of a type that is not compacted" in str(follower.errors[0])
    with pytest.raises(UnknownMessage):
        catalogue.latest([OrderPlaced])
    with pytest.raises(InvalidSelector):
        catalogue.latest("price")


def test_an_outbox_without_compacted_types_says_so(database: Database[Document]) -> None:
    with Outbox(database, messages=[Viewed]) as views:
        views.create()
        with following(views) as follower:
            wait_until(lambda: follower.errors, 30, "the error")

    assert "no type of this outbox is compacted" in str(follower.errors[0])


def test_changes_while_the_view_is_read_come_once_and_after_it(
    catalogue: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(view, "_PAGE", 2)
    number(catalogue, *(price(sku, 1) for sku in "abcdef"))
    keep(catalogue)
    read = LatestView.entries
    pages: list[int] = []

    def changing(self: LatestView, *arguments: Any) -> Any:
        found = read(self, *arguments)
        pages.append(len(found))
        if len(pages) == 1:
            catalogue.put([price("f", 2), tombstone(Price, key="e"), price("a", 2)], standalone=True)
            wait_until(lambda: entries(catalogue).get("price/a") == 9, 30, "the view to go on")
        return found

    monkeypatch.setattr(LatestView, "entries", changing)
    with following(catalogue) as follower:
        follower.wait_for(9)

    assert follower.seqs == list(range(1, 10))


@pytest.mark.parametrize("code", [239, 246])
def test_a_snapshot_that_a_slow_subscriber_outlives_is_taken_anew_and_nothing_is_lost(
    catalogue: Outbox, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    monkeypatch.setattr(view, "_PAGE", 2)
    number(catalogue, *(price(sku, 1) for sku in "abcdef"))
    keep(catalogue)
    read = LatestView.entries
    pages: list[int] = []

    def aging(self: LatestView, *arguments: Any) -> Any:
        pages.append(0)
        if len(pages) == 2:
            catalogue.put([price("f", 2), tombstone(Price, key="e")], standalone=True)
            wait_until(lambda: entries(catalogue).get("price/f") == 7, 30, "the view to go on")
            raise OperationFailure("SnapshotTooOld", code)
        return read(self, *arguments)

    monkeypatch.setattr(LatestView, "entries", aging)
    with following(catalogue) as follower:
        follower.wait_for(6)

    assert follower.seqs == [1, 2, 3, 4, 7, 8]


def test_it_is_of_all_ids_also_beyond_what_the_log_still_holds(database: Database[Document]) -> None:
    with new_catalogue(database, capacity="5 MiB", max_message_bytes=100_000) as catalogue:
        number(catalogue, price("old", 1))
        keep(catalogue)
        with catalogue.running():
            for _ in range(40):
                catalogue.put([viewed("x" * 900) for _ in range(500)], standalone=True)
            wait_until(lambda: catalogue.log.head() == 1 + 500 * 40, 60, "all to be numbered")
        assert catalogue.log.earliest() > 1

        with following(catalogue) as follower:
            follower.wait_for(1)

    assert follower.seqs == [1]


def test_a_process_without_the_classes_gets_them_as_data(catalogue: Outbox, database: Database[Document]) -> None:
    number(catalogue, price("a", 1))
    with Outbox(database) as other:
        with following(other) as follower:
            wait_until(lambda: follower.records, 30, "the price")
        assert (follower.records[0].data, follower.records[0].message) == ({"sku": "a", "cents": 1}, None)
