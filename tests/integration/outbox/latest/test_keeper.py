"""Who keeps the view: any process that reads or sequences, whether it has the message classes or not."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from mongoengine import EmbeddedDocument, StringField
from pymongo.database import Database

from outbox import Outbox, message, tombstone
from outbox.clock import SystemClock
from outbox.latest import delivery, keeper
from outbox.latest.view import READER
from outbox.shares.cursor_admin import forget
from tests.actors.catalogue import Price, Viewed, new_catalogue, price, viewed
from tests.actors.latest_view import entries, following, keep, number, wait_kept
from tests.waiting import wait_until

pytestmark = pytest.mark.oldest_server

Document = dict[str, Any]


@pytest.fixture
def catalogue(database: Database[Document]) -> Iterator[Outbox]:
    with new_catalogue(database) as outbox:
        yield outbox


def test_an_outbox_without_compacted_types_has_no_such_reader(database: Database[Document]) -> None:
    with Outbox(database, messages=[Viewed]) as views:
        views.create()
        views.put(viewed("x"), standalone=True)
        with views.running():
            wait_until(lambda: views.log.head() == 1, 30, "it to be numbered")

        assert views.readers() == []
        assert views.collections.leases.find_one({"_id": READER}) is None
        assert views.collections.latest.name not in database.list_collection_names()


def test_a_process_without_the_message_classes_keeps_it(database: Database[Document]) -> None:
    new_catalogue(database).put([price("a", 1), price("b", 1), tombstone(Price, key="a")], standalone=True)

    with Outbox(database) as other, other.running():
        wait_until(lambda: other.log.head() == 3, 30, "all to be numbered")
        wait_kept(other)

    assert entries(other) == {"price/b": 2}


def test_it_holds_the_log_as_every_durable_reader_does(catalogue: Outbox) -> None:
    number(catalogue, price("a", 1), viewed("x"))
    keep(catalogue)

    [reader] = catalogue.readers()
    assert (reader.id, reader.kind, reader.position, reader.lag) == (READER, "latest", 2, 0)
    assert [cursor.seq for cursor in catalogue.status().cursors] == [2]


def test_it_goes_on_where_it_stopped(catalogue: Outbox) -> None:
    number(catalogue, price("a", 1), price("b", 1))
    keep(catalogue)
    number(catalogue, price("a", 2), tombstone(Price, key="b"), viewed("x"))
    keep(catalogue)

    assert entries(catalogue) == {"price/a": 3}
    assert catalogue.readers()[0].position == 5


def test_one_that_is_paused_keeps_nothing_until_it_is_resumed(catalogue: Outbox) -> None:
    number(catalogue, price("a", 1))
    keep(catalogue)
    catalogue.collections.cursors.update_one({"_id": READER}, {"$set": {"paused": True}})
    number(catalogue, price("a", 2))
    with catalogue.running():
        wait_until(lambda: catalogue.readers()[0].holder is not None, 30, "the reader to stand still")
        assert entries(catalogue) == {"price/a": 1}
        catalogue.collections.cursors.update_one({"_id": READER}, {"$unset": {"paused": True}})
        wait_kept(catalogue)

    assert entries(catalogue) == {"price/a": 2}


def _become_compacted(database: Database[Document]) -> None:
    attributes = {"sku": StringField(required=True)}
    compacted: Any = type(EmbeddedDocument)("ViewedOnce", (EmbeddedDocument,), attributes)
    Outbox(database, messages=[message("view", key="sku", compact=True)(compacted)]).create()


def test_a_type_that_becomes_compacted_is_kept_from_the_logs_first_record_on(
    catalogue: Outbox, database: Database[Document]
) -> None:
    number(catalogue, viewed("x"), price("a", 1), viewed("y"), viewed("x"))
    keep(catalogue)
    assert entries(catalogue) == {"price/a": 2}

    _become_compacted(database)
    keep(catalogue)
    wait_until(lambda: (keep(catalogue), len(entries(catalogue)) == 3)[1], 30, "the new type")

    assert entries(catalogue) == {"price/a": 2, "view/y": 3, "view/x": 4}


def test_so_it_is_while_the_view_is_being_kept(
    catalogue: Outbox, database: Database[Document], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "_LOOK_SECONDS", 0.0)
    with catalogue.running():
        catalogue.put([viewed("x"), price("a", 1), tombstone(Price, key="a")], standalone=True)
        wait_until(lambda: catalogue.log.head() == 3, 30, "all to be numbered")
        wait_kept(catalogue)
        _become_compacted(database)
        catalogue.put(price("b", 1), standalone=True)
        wait_until(lambda: entries(catalogue) == {"view/x": 1, "price/b": 4}, 30, "the new type")


def test_types_that_are_compacted_later_are_seen_by_who_runs_already(
    database: Database[Document], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeper, "LOOK_SECONDS", 0.1)
    with Outbox(database, messages=[Viewed]) as views:
        views.create()
        with views.running():
            new_catalogue(database).put(price("a", 1), standalone=True)
            wait_until(lambda: entries(views) == {"price/a": 1}, 30, "the view")


def test_an_outbox_that_was_dropped_and_made_anew_has_a_view_of_its_own(catalogue: Outbox) -> None:
    number(catalogue, *(price(sku, 1) for sku in "abc"))
    keep(catalogue)

    catalogue.drop()
    assert catalogue.collections.latest.name not in catalogue.collections.database.list_collection_names()
    catalogue.create()
    number(catalogue, price("a", 5))
    keep(catalogue)

    assert entries(catalogue) == {"price/a": 1}


def test_so_it_has_while_others_go_on_running(catalogue: Outbox, database: Database[Document]) -> None:
    with Outbox(database, sequence=False) as other, other.running():
        number(catalogue, *(price(sku, 1) for sku in "abc"))
        wait_kept(other)
        catalogue.drop()
        catalogue.create()
        number(catalogue, price("a", 5))
        wait_until(lambda: entries(other) == {"price/a": 1}, 60, "the new view")


def test_a_reader_that_is_forgotten_makes_the_view_anew(catalogue: Outbox) -> None:
    number(catalogue, price("a", 1), price("b", 1))
    keep(catalogue)
    catalogue.collections.latest.insert_one({"_id": "price/stray", "seq": 2**40})

    forget(catalogue.collections, READER, SystemClock())
    keep(catalogue)

    assert entries(catalogue) == {"price/a": 1, "price/b": 2}


def test_a_cursor_of_another_log_is_not_guessed_about(catalogue: Outbox, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR, "outbox")
    number(catalogue, price("a", 1))
    keep(catalogue)
    catalogue.collections.cursors.update_one({"_id": READER}, {"$set": {"seq": 1000}})

    with catalogue.running():
        wait_until(lambda: caplog.messages, 30, "the error")

    assert "is not kept" in caplog.messages[0]
    assert "readers APP forget latest:" in caplog.messages[0]
    assert entries(catalogue) == {"price/a": 1}


def test_one_of_two_keeps_it_and_the_other_takes_over(catalogue: Outbox, database: Database[Document]) -> None:
    with Outbox(database, sequence=False) as other, other.running():
        with catalogue.running():
            catalogue.put([price("a", 1), price("b", 1)], standalone=True)
            wait_until(lambda: len(entries(catalogue)) == 2, 30, "the view")
        catalogue._feed.join(10)
        number(catalogue, price("a", 2))
        wait_until(lambda: entries(other).get("price/a") == 3, 30, "the other to go on")


def test_it_ends_soon_when_it_is_told_to(catalogue: Outbox) -> None:
    with catalogue.running():
        wait_until(lambda: catalogue.readers() != [], 30, "the reader to begin")
    catalogue._feed.join(10)

    assert not [thread for thread in threading.enumerate() if thread.name.startswith("outbox-latest")]
    assert catalogue.readers()[0].holder is None


def test_following_twice_in_one_process_is_one_reader(catalogue: Outbox) -> None:
    with following(catalogue), following(catalogue):
        wait_until(lambda: catalogue.readers() != [], 30, "the reader to begin")
        threads = [thread.name for thread in threading.enumerate() if thread.name.startswith("outbox-latest")]

    assert len(threads) == 1
