"""Putting only what changes something: the newest of an id may be in the view, in the log, or in staging."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from bson import ObjectId
from pymongo import AsyncMongoClient
from pymongo.database import Database

from outbox import AsyncOutbox, InvalidMessage, Outbox, OutboxNotCreated, TransactionRequired, tombstone
from outbox.clock import SystemClock
from outbox.latest import changed
from outbox.latest.view import READER
from outbox.shares.cursor_admin import forget
from tests.actors.catalogue import MESSAGES, BasketLine, Price, line, new_catalogue, price, staged, viewed
from tests.actors.latest_view import keep, number

pytestmark = pytest.mark.oldest_server

Document = dict[str, Any]
Put = Callable[[Outbox, Any], Any]


@pytest.fixture
def catalogue(database: Database[Document]) -> Iterator[Outbox]:
    with new_catalogue(database) as outbox:
        number(outbox, price("a", 1), price("b", 1), line("o1", 7, 1))
        keep(outbox)
        yield outbox


class Changes:
    """Puts changes by one of the two faces."""

    def __init__(self, database: Database[Document], uri: str, face: str) -> None:
        self._database = database
        self._uri = uri
        self._face = face

    def put(self, catalogue: Outbox, message: Any) -> Any:
        """Puts it if it changes anything; `catalogue` does so itself, unless the asynchronous face is to."""
        if self._face == "Outbox":
            return catalogue.put(message, standalone=True, if_changed=True)
        return asyncio.run(self._put_async(message))

    async def _put_async(self, message: Any) -> Any:
        async with (
            AsyncMongoClient[Document](self._uri) as client,
            AsyncOutbox(client[self._database.name], messages=MESSAGES, sequence=False) as catalogue,
        ):
            return await catalogue.put(message, standalone=True, if_changed=True)


@pytest.fixture(params=["Outbox", "AsyncOutbox"])
def put(request: pytest.FixtureRequest, database: Database[Document], mongo_uri: str) -> Put:
    return Changes(database, mongo_uri, request.param).put


def in_staging(catalogue: Outbox) -> int:
    return catalogue.collections.staging.count_documents({})


def test_what_the_view_has_already_is_not_put(catalogue: Outbox, put: Put) -> None:
    assert put(catalogue, price("a", 1)) is None
    assert put(catalogue, line("o1", 7, 1)) is None
    assert in_staging(catalogue) == 0

    assert isinstance(put(catalogue, price("a", 2)), ObjectId)
    assert isinstance(put(catalogue, price("c", 1)), ObjectId)
    assert isinstance(put(catalogue, line("o1", 8, 1)), ObjectId)
    assert isinstance(put(catalogue, line("o2", 7, 1)), ObjectId)
    assert in_staging(catalogue) == 4


def test_without_the_option_it_is_put(catalogue: Outbox) -> None:
    assert isinstance(catalogue.put(price("a", 1), standalone=True), ObjectId)
    assert isinstance(catalogue.put(price("a", 1), standalone=True, if_changed=False), ObjectId)


def test_what_is_on_its_way_to_the_view_counts(catalogue: Outbox, put: Put) -> None:
    """Goes red when only the view is asked: it has the old data, and the change back would be left out."""
    assert put(catalogue, price("a", 2)) is not None
    assert put(catalogue, price("a", 2)) is None
    assert put(catalogue, price("a", 1)) is not None
    catalogue.sequence()
    assert put(catalogue, price("a", 1)) is None
    assert put(catalogue, price("a", 2)) is not None
    catalogue.sequence()
    assert put(catalogue, price("a", 1)) is not None


def test_where_staging_and_the_log_differ_it_is_put(catalogue: Outbox, put: Put) -> None:
    """Which of them is newer is not known here."""
    number(catalogue, price("a", 2))
    catalogue.put(price("a", 3), standalone=True)

    assert put(catalogue, price("a", 3)) is not None


def test_a_tombstone_ends_what_is_there_once(catalogue: Outbox, put: Put) -> None:
    assert put(catalogue, tombstone(Price, key="a")) is not None
    assert put(catalogue, tombstone(Price, key="a")) is None
    number_all(catalogue)
    assert put(catalogue, price("a", 1)) is not None
    assert put(catalogue, tombstone(BasketLine, key="o1", line_id=7)) is not None
    assert put(catalogue, line("o1", 7, 1)) is not None


def number_all(catalogue: Outbox) -> None:
    catalogue.sequence()
    keep(catalogue)


def test_what_a_tombstone_has_ended_comes_anew(catalogue: Outbox, put: Put) -> None:
    number(catalogue, tombstone(Price, key="a"))
    keep(catalogue)

    assert put(catalogue, price("a", 1)) is not None


def test_a_list_is_decided_message_by_message_and_in_order(catalogue: Outbox, put: Put) -> None:
    messages = [price("a", 1), price("a", 2), price("a", 1), price("a", 1), price("b", 1), price("c", 1)]

    ids = put(catalogue, messages)

    assert [id is None for id in ids] == [True, False, False, True, True, False]
    assert catalogue.sequence() == 3
    assert [(each.key, each.data["cents"]) for each in catalogue.read(4) if each.data] == [("a", 2), ("a", 1), ("c", 1)]
    assert put(catalogue, []) == []


def test_it_sees_what_its_own_transaction_has_put(catalogue: Outbox) -> None:
    with catalogue.collections.client.start_session() as session, session.start_transaction():
        assert catalogue.put(price("a", 1), session=session, if_changed=True) is None
        assert catalogue.put(price("a", 2), session=session, if_changed=True) is not None
        assert catalogue.put(price("a", 2), session=session, if_changed=True) is None
        assert catalogue.put(price("a", 1), session=session, if_changed=True) is not None

    assert in_staging(catalogue) == 2


def test_an_abort_takes_it_back(catalogue: Outbox, put: Put) -> None:
    with catalogue.collections.client.start_session() as session:
        session.start_transaction()
        assert catalogue.put(price("a", 2), session=session, if_changed=True) is not None
        session.abort_transaction()

    assert put(catalogue, price("a", 2)) is not None


def test_those_at_the_same_time_lose_no_change(catalogue: Outbox, put: Put) -> None:
    """Of each of them, what is newest at the end is what somebody put last."""

    def change(seed: int) -> None:
        for cents in range(10):
            put(catalogue, price(f"k{seed % 3}", cents % 2))

    with catalogue.running(), ThreadPoolExecutor(6) as pool:
        list(pool.map(change, range(6)))
    while catalogue.sequence():
        pass

    newest = {each.key: each.data["cents"] for each in catalogue.read(types=[Price]) if each.data}
    assert newest == {"a": 1, "b": 1, "k0": 1, "k1": 1, "k2": 1}


@pytest.mark.parametrize("lagging", ["never kept", "forgotten", "far behind", "much in staging"])
def test_where_the_newest_is_not_certain_it_is_put(
    catalogue: Outbox, put: Put, lagging: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if lagging in ("never kept", "forgotten"):
        forget(catalogue.collections, READER, SystemClock())
    if lagging == "never kept":
        catalogue.collections.latest.drop()
    if lagging == "far behind":
        monkeypatch.setattr(changed, "_MOST_BATCHES", 2)
        for _ in range(3):
            number(catalogue, viewed("x"))
    if lagging == "much in staging":
        monkeypatch.setattr(changed, "_MOST_STAGED", 2)
        catalogue.put([price(sku, 1) for sku in "xyz"], standalone=True)

    assert put(catalogue, price("a", 1)) is not None


def test_what_the_log_has_rolled_over_before_the_view_had_it_is_not_guessed(catalogue: Outbox, put: Put) -> None:
    cursors = catalogue.collections.cursors
    number(catalogue, *(price("b", cents) for cents in range(3)))
    keep(catalogue)
    cursors.update_one({"_id": READER}, {"$set": {"seq": 99}})

    assert put(catalogue, price("a", 1)) is not None


def test_other_languages_documents_in_staging_are_looked_at_too(catalogue: Outbox, put: Put) -> None:
    staging = catalogue.collections.staging
    staging.insert_many([staged("price", {"sku": "a", "cents": 2}, "a"), staged("price", {"sku": "n"}, None)])
    staging.insert_one(staged("line", None, "o1", **{"compaction-id": "7"}))

    assert put(catalogue, price("a", 1)) is not None
    assert put(catalogue, line("o1", 7, 1)) is not None


def test_a_type_that_is_not_compacted_is_refused_and_nothing_is_put(catalogue: Outbox, put: Put) -> None:
    with pytest.raises(InvalidMessage, match="view: if_changed=True"):
        put(catalogue, [price("z", 1), viewed("x")])

    assert in_staging(catalogue) == 0


def test_it_needs_a_transaction_as_every_put_does(catalogue: Outbox) -> None:
    with pytest.raises(TransactionRequired):
        catalogue.put(price("a", 1), if_changed=True)


def test_an_outbox_that_was_dropped_is_not_written_to(
    catalogue: Outbox, put: Put, database: Database[Document]
) -> None:
    put(catalogue, price("a", 2))
    with new_catalogue(database) as other:
        other.drop()

    with pytest.raises(OutboxNotCreated):
        put(catalogue, price("a", 1))
