"""create() refuses what could lose messages, and servers that cannot carry an outbox."""

from __future__ import annotations

from typing import Any

import pytest
from bson import Int64
from mongoengine import EmbeddedDocument, IntField, StringField  # type: ignore[import-untyped]  # no types
from pymongo import MongoClient
from pymongo.database import Database
from pymongo.errors import OperationFailure
from pymongo.server_api import ServerApi

from outbox import IncompatibleOutbox, InvalidName, Outbox, UnsupportedServer, message
from outbox.log import batch
from tests.actors.order_service import MESSAGES, OrderPlaced, StockCounted, new_outbox, placed, warnings_of

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


def test_a_smaller_cap_changes_nothing_and_keeps_no_type_out(
    database: Database[Document], caplog: pytest.LogCaptureFixture
) -> None:
    """A second service declares its types into the outbox of the first, with a capacity of its own."""
    Outbox(database, messages=[OrderPlaced], capacity="8 MiB").create()
    second = Outbox(database, messages=[StockCounted], capacity="7 MiB")
    second.create()

    assert database.outbox.options()["size"] == 8 * MIB
    assert second.types() == ("order.placed", "stock.counted")
    assert "cannot shrink" in warnings_of(caplog)[0]


def test_a_cap_that_cannot_grow_keeps_no_type_out(
    database: Database[Document], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a server older than 6.0."""
    Outbox(database, messages=[OrderPlaced], capacity="8 MiB").create()
    command = Database.command

    def refusing(self: Any, name: Any, *arguments: Any, **options: Any) -> Any:
        if "cappedSize" in options:
            raise OperationFailure("cannot change the size", 72)
        return command(self, name, *arguments, **options)

    monkeypatch.setattr(Database, "command", refusing)
    second = Outbox(database, messages=[StockCounted], capacity="9 MiB")
    with pytest.raises(IncompatibleOutbox, match="could not grow.*All else is made"):
        second.create()

    assert second.types() == ("order.placed", "stock.counted")


def test_every_cause_is_named_at_once(database: Database[Document]) -> None:
    class Placed(EmbeddedDocument):  # type: ignore[misc]  # mongoengine ships no types
        order_id = IntField()

    class Counted(EmbeddedDocument):  # type: ignore[misc]  # as above
        count = StringField()

    Outbox(database, messages=[OrderPlaced, StockCounted]).create()
    database.drop_collection("outbox")
    database.create_collection("outbox")
    changed = [message("order.placed")(Placed), message("stock.counted")(Counted)]

    with pytest.raises(IncompatibleOutbox, match="2 things stand in the way") as raised:
        Outbox(database, messages=changed).create()
    for part in (
        "is not capped",
        "'order.placed'",
        "data.order_id: bsonType",
        "'stock.counted'",
        "data.count: bsonType",
    ):
        assert part in str(raised.value)

    with pytest.raises(IncompatibleOutbox, match=r"2 things.*max_message_bytes=0.*not a size"):
        Outbox(database, messages=[OrderPlaced], max_message_bytes=0, capacity="8 bananas").create()


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
        ({"hello": {"isreplicaset": True}}, "not initiated yet: run rs.initiate"),
        ({"hello": {"setName": "rs0", "arbiterOnly": True, "hosts": ["a:1", "b:1"]}}, "is an arbiter.*a:1, b:1"),
        ({"hello": {}}, "standalone"),
    ],
)
def test_a_mongos_and_an_old_server_are_refused(
    database: Database[Document], monkeypatch: pytest.MonkeyPatch, answers: Document, why: str
) -> None:
    monkeypatch.setattr(Database, "command", lambda _, name, *__, **___: answers[name])

    with pytest.raises(UnsupportedServer, match=why):
        new_outbox(database)


@pytest.mark.parametrize("code", [72, 115, 303, 8000])
def test_a_server_that_makes_no_capped_collection_is_refused(
    database: Database[Document], monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def refuse(*_: Any, **options: Any) -> None:
        assert options["capped"]
        raise OperationFailure("capped is not supported", code)

    monkeypatch.setattr(Database, "create_collection", refuse)

    with pytest.raises(UnsupportedServer, match="this server makes no capped collection.*capped is not supported"):
        new_outbox(database)


def test_a_client_with_the_strict_server_api_is_refused(mongo_uri: str, database: Database[Document]) -> None:
    new_outbox(database)
    with MongoClient[Document](mongo_uri, server_api=ServerApi("1", strict=True)) as client:
        orders = Outbox(client[database.name], messages=MESSAGES)
        for refused in (orders.create, orders.status):
            with pytest.raises(UnsupportedServer, match="strict=True"):
                refused()


def test_a_log_that_was_emptied_under_its_readers_is_refused(database: Database[Document]) -> None:
    orders = new_outbox(database)
    database["outbox.cursors"].insert_one({"_id": "consumer:billing", "seq": Int64(7)})
    orders.put(placed(1), standalone=True)
    orders.sequence()
    database.command("convertToCapped", "outbox", size=8 * MIB)
    database.outbox.delete_many({})

    with pytest.raises(IncompatibleOutbox, match="emptied or replaced"):
        new_outbox(database)
