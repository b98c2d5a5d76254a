"""A message class changes: what check says, what create() does, and who can put and read what then."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import jsonschema
import pytest
from mongoengine import EmbeddedDocument, fields
from pydantic import create_model
from pymongo.database import Database

from outbox import IncompatibleOutbox, InvalidMessage, Outbox, message, upcast
from outbox.messages import versions
from outbox.messages.json_value import json_value
from outbox.messages.message_types import MessageTypes
from outbox.staging.evolution import changes
from outbox.staging.published import published
from tests.actors.catalogue import staged
from tests.integration.outbox.staging.test_validator_tombstones import refusal

F = fields


@pytest.fixture(autouse=True)
def _none_declared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(versions, "_upcasts", {})


def declared(version: int = 1, **attributes: Any) -> Any:
    return message("order.placed", version=version)(type(EmbeddedDocument)("Order", (EmbeddedDocument,), attributes))


def line(**attributes: Any) -> Any:
    return F.EmbeddedDocumentField(type(EmbeddedDocument)("Line", (EmbeddedDocument,), attributes))


@dataclass(frozen=True)
class Row:
    """A change of one field, `a`; and a message that the old class puts, and one of the new."""

    name: str
    old: dict[str, Any]
    new: dict[str, Any]
    old_puts: dict[str, Any]
    new_puts: dict[str, Any]
    change: str
    create: bool = True
    """Whether create() takes the new class."""
    old_schema_takes_new: bool = True
    """Whether the JSON Schema that was published with the old class accepts what the new one puts, on Kafka."""


A, B = {"a": 1}, {"a": 1, "b": 2}
REQUIRED = F.IntField(required=True)
TABLE = [
    Row("an optional field more", {"a": F.IntField()}, {"a": F.IntField(), "b": F.IntField()}, A, B, "wider",
        old_schema_takes_new=False),
    Row("a required field more", {"a": F.IntField()}, {"a": F.IntField(), "b": REQUIRED}, A, B, "breaking",
        create=False, old_schema_takes_new=False),
    Row("a wider type", {"a": F.IntField()}, {"a": F.FloatField()}, A, {"a": 1.5}, "wider", old_schema_takes_new=False),
    Row("a narrower type", {"a": F.FloatField()}, {"a": F.IntField()}, {"a": 1.5}, A, "narrower"),
    Row("another name", {"a": F.IntField()}, {"b": F.IntField()}, A, {"b": 1}, "breaking", create=False,
        old_schema_takes_new=False),
    Row("a field less", {"a": F.IntField(), "b": F.IntField()}, {"a": F.IntField()}, B, A, "narrower"),
    Row("a required field less", {"a": F.IntField(), "b": REQUIRED}, {"a": F.IntField()}, B, A, "breaking",
        create=False, old_schema_takes_new=False),
    Row("one choice more", {"a": F.IntField(choices=[1])}, {"a": F.IntField(choices=[1, 2])}, A, {"a": 2}, "wider",
        old_schema_takes_new=False),
    Row("one choice less", {"a": F.IntField(choices=[1, 2])}, {"a": F.IntField(choices=[1])}, {"a": 2}, A, "narrower"),
    Row("an optional field more inside another", {"l": line(a=F.IntField())},
        {"l": line(a=F.IntField(), b=F.IntField())}, {"l": A}, {"l": B}, "wider", old_schema_takes_new=False),
    Row("another type inside another field", {"l": line(a=F.IntField())}, {"l": line(a=F.StringField())}, {"l": A},
        {"l": {"a": "1"}}, "breaking", create=False, old_schema_takes_new=False),
]  # fmt: skip


def made(cls: Any, values: dict[str, Any]) -> Any:
    return MessageTypes([cls]).made("order.placed", values)


def reads(cls: Any, data: dict[str, Any]) -> bool:
    try:
        MessageTypes([cls]).decode("order.placed", data)
    except InvalidMessage:
        return False
    return True


def takes(cls: Any, data: dict[str, Any]) -> bool:
    schema = MessageTypes([cls]).json_schemas()["order.placed"]
    return bool(jsonschema.Draft202012Validator(schema).is_valid(json.loads(json_value(data))))


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
def test_what_a_change_does(database: Database[dict[str, Any]], row: Row) -> None:
    old, new = declared(**row.old), declared(**row.new)
    older, newer = Outbox(database, messages=[old], sequence=False), Outbox(database, messages=[new], sequence=False)
    older.create()

    [found] = changes(newer.collections, newer.message_types)
    assert (found.change, found.problems == []) == (row.change, row.create)
    assert reads(new, row.old_puts)  # a class of mongoengine gives values as they are stored
    assert reads(old, row.new_puts)
    assert takes(old, row.new_puts) == row.old_schema_takes_new
    if not row.create:
        with pytest.raises(IncompatibleOutbox, match="neither takes all"):
            newer.create()
        return
    newer.create()
    older.put(made(old, row.old_puts), standalone=True)
    newer.put(made(new, row.new_puts), standalone=True)
    older.create()  # an older deploy that runs it again takes nothing back
    newer.put(made(new, row.new_puts), standalone=True)


@pytest.mark.parametrize("row", [row for row in TABLE if not row.create], ids=lambda row: row.name)
def test_what_breaks_is_taken_as_a_newer_version(database: Database[dict[str, Any]], row: Row) -> None:
    old, new = declared(**row.old), declared(version=2, **row.new)
    older, newer = Outbox(database, messages=[old], sequence=False), Outbox(database, messages=[new], sequence=False)
    older.create()
    older.put(made(old, row.old_puts), standalone=True)
    [found] = changes(newer.collections, newer.message_types)
    assert found.change == "new version"
    assert [each[:42] for each in found.problems] == ["there is no @upcast('order.placed', 1): me"]

    upcast("order.placed", 1)(lambda data: row.new_puts)
    [found] = changes(newer.collections, newer.message_types)
    assert found.problems == []
    newer.create()
    newer.put(made(new, row.new_puts), standalone=True)
    older.put(made(old, row.old_puts), standalone=True)  # the old deploy goes on
    older.create()
    newer.sequence()

    first, second, third = newer.read()
    assert [each.headers for each in (first, second, third)] == [{}, {"schema-version": "2"}, {}]
    assert first.data == third.data == row.old_puts
    assert first.message == second.message == third.message == made(new, row.new_puts)
    assert next(older.read()).message == made(old, row.old_puts)
    with pytest.raises(InvalidMessage, match="of version 2, and the class here of version 1"):
        _ = next(older.read(2)).message


def test_the_server_holds_each_version_to_its_own_schema(database: Database[dict[str, Any]]) -> None:
    old, new = declared(a=F.IntField(required=True)), declared(version=2, b=F.IntField(required=True))
    for cls in (old, new):
        Outbox(database, messages=[cls], sequence=False).create()
    orders = Outbox(database, messages=[new], sequence=False)

    for data, headers in (({"b": 1}, {}), ({"a": 1}, {"schema-version": "2"}), ({"b": 1}, {"schema-version": "3"})):
        assert refusal(orders, staged("order.placed", data, **headers))
    for data, headers in (({"a": 1}, {}), ({"b": 1}, {"schema-version": "2"})):
        orders.collections.staging.insert_one(staged("order.placed", data, **headers))


def test_a_narrowed_model_of_pydantic_does_not_read_what_the_server_still_takes() -> None:
    wide, narrow = (message("order.placed")(create_model("Order", a=(annotation, ...))) for annotation in (float, int))

    assert reads(wide, {"a": 1.5})
    assert not reads(narrow, {"a": 1.5})


def test_each_version_is_kept_as_it_was_published(database: Database[dict[str, Any]]) -> None:
    narrow, wide = declared(a=F.IntField()), declared(a=F.FloatField())
    newer = declared(version=2, b=F.IntField())
    for cls in (narrow, wide, newer, narrow):  # the last is an older deploy
        orders = Outbox(database, messages=[cls], sequence=False)
        orders.create()

    first, second = published(orders.collections)

    assert (first.type, first.version, second.version) == ("order.placed", 1, 2)
    assert first.schema == MessageTypes([wide]).json_schemas()["order.placed"]
    assert second.schema == MessageTypes([newer]).json_schemas()["order.placed"]
    assert first.created < first.changed
    assert second.created == second.changed
