"""create() refuses what could lose messages, and servers that cannot carry an outbox."""

from __future__ import annotations

from typing import Any

import pytest
from bson import Int64
from pymongo import MongoClient
from pymongo.database import Database

from outbox import IncompatibleOutbox, InvalidName, Outbox, UnsupportedServer, batch
from tests.orders import new_outbox, placed

pytestmark = pytest.mark.oldest_server

Document = dict[str, Any]


MIB = 1 << 20


def test_a_log_that_is_not_capped_is_refused(database: Database[Document]) -> None:
    database.create_collection("outbox")

    with pytest.raises(IncompatibleOutbox, match="is not capped"):
        new_outbox(database)


def test_a_view_of_that_name_is_refused(database: Database[Document]) -> None:
    database.create_collection("outbox.staging", viewOn="elsewhere", pipeline=[])

    with pytest.raises(IncompatibleOutbox, match="is a view"):
        new_outbox(database)


def test_a_smaller_cap_is_refused_and_nothing_changes(database: Database[Document]) -> None:
    new_outbox(database, capacity="8 MiB")

    with pytest.raises(IncompatibleOutbox, match="cannot shrink"):
        new_outbox(database, capacity="7 MiB")
    assert database.outbox.options()["size"] == 8 * MIB


def test_a_cap_under_four_maximal_batches_is_refused(database: Database[Document]) -> None:
    with pytest.raises(IncompatibleOutbox, match="raise the capacity"):
        new_outbox(database, capacity="4 MiB")
    with pytest.raises(IncompatibleOutbox, match="raise the capacity"):
        new_outbox(database, capacity="8 MiB", max_message_bytes=4 * MIB)
    assert database.list_collection_names() == []


def test_a_message_limit_that_the_live_cap_cannot_carry_is_refused(database: Database[Document]) -> None:
    new_outbox(database, capacity="8 MiB")

    with pytest.raises(IncompatibleOutbox, match="raise the capacity"):
        new_outbox(database, max_message_bytes=4 * MIB)


@pytest.mark.parametrize("size", [0, -1, batch.LARGEST_MESSAGE + 1])
def test_a_message_limit_that_no_document_can_have_is_refused(database: Database[Document], size: int) -> None:
    with pytest.raises(IncompatibleOutbox, match="max_message_bytes"):
        new_outbox(database, capacity="128 MiB", max_message_bytes=size)


@pytest.mark.parametrize("name", ["", "orders.eu", "a" * 65, "1st", "a/b", "$a", "a\n", "größe", "..", "system"])
def test_a_bad_name_is_refused_before_the_server_is_asked(database: Database[Document], name: str) -> None:
    with pytest.raises(InvalidName, match="is not an outbox name"):
        Outbox(database, name)


def test_a_new_outbox_without_message_classes_is_refused(database: Database[Document]) -> None:
    with pytest.raises(IncompatibleOutbox, match="at least one message class"):
        Outbox(database).create()


def test_staging_documents_that_nobody_vouches_for_are_refused(database: Database[Document]) -> None:
    database["outbox.staging"].insert_one({"some": "document"})

    with pytest.raises(IncompatibleOutbox, match="nobody vouches"):
        new_outbox(database)


def test_a_standalone_server_is_refused(standalone: MongoClient[Document]) -> None:
    with pytest.raises(UnsupportedServer, match="replica set"):
        new_outbox(standalone.shop)


@pytest.mark.parametrize(
    ("answers", "why"),
    [
        ({"hello": {"msg": "isdbgrid"}, "buildInfo": {"version": "6.0.5"}}, "mongos"),
        ({"hello": {"setName": "rs0"}, "buildInfo": {"version": "4.4.29"}}, "5.0 or newer"),
    ],
)
def test_a_mongos_and_an_old_server_are_refused(
    database: Database[Document], monkeypatch: pytest.MonkeyPatch, answers: Document, why: str
) -> None:
    monkeypatch.setattr(Database, "command", lambda _, name, *__, **___: answers[name])

    with pytest.raises(UnsupportedServer, match=why):
        new_outbox(database)


def test_a_log_that_was_emptied_under_its_readers_is_refused(database: Database[Document]) -> None:
    orders = new_outbox(database)
    database["outbox.cursors"].insert_one({"_id": "consumer:billing", "seq": Int64(7)})
    orders.put(placed(1), standalone=True)
    orders.sequence()
    database.command("convertToCapped", "outbox", size=8 * MIB)
    database.outbox.delete_many({})

    with pytest.raises(IncompatibleOutbox, match="emptied or replaced"):
        new_outbox(database)
