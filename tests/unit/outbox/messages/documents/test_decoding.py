"""Reading messages back asks no database, follows no reference, and goes by the type, not by a class's name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import bson
import mongoengine  # type: ignore[import-untyped]  # mongoengine ships no types
import pytest
from bson import DBRef, ObjectId
from mongoengine import Document, EmbeddedDocument, fields

from outbox import InvalidMessage, message
from outbox.messages.compatibility import differences
from outbox.messages.documents.fields import bson_schema
from outbox.messages.message_types import MessageTypes
from outbox.mongo.codec import DECODED

ID = ObjectId("65a000000000000000000001")


class DecodedUser(Document):  # type: ignore[misc]  # mongoengine ships no types
    name = fields.StringField()
    meta = {"collection": "users"}  # noqa: RUF012  # mongoengine's own way


class Visit(EmbeddedDocument):  # type: ignore[misc]  # as above
    user = fields.ReferenceField(DecodedUser)


@message("user.seen")
class UserSeen(EmbeddedDocument):  # type: ignore[misc]  # as above
    user = fields.ReferenceField(DecodedUser)
    by_dbref = fields.ReferenceField(DecodedUser, dbref=True)
    anything = fields.GenericReferenceField()
    lazy = fields.LazyReferenceField(DecodedUser)
    many = fields.ListField(fields.ReferenceField(DecodedUser))
    any_of_many = fields.ListField(fields.GenericReferenceField())
    named = fields.MapField(fields.ReferenceField(DecodedUser))
    untyped = fields.ListField()
    mapped = fields.DictField()
    dynamic = fields.DynamicField()
    visit = fields.EmbeddedDocumentField(Visit)
    visits = fields.EmbeddedDocumentListField(Visit)


TYPES = MessageTypes([UserSeen])


@pytest.fixture(autouse=True)
def no_database() -> Iterator[None]:
    """A connection that nobody answers: whoever asks it fails."""
    mongoengine.connect(
        "nowhere", host="mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=200", uuidRepresentation="standard"
    )
    yield
    mongoengine.disconnect()


def _read(cls: Any, type: str, data: dict[str, Any]) -> Any:
    stored = bson.decode(bson.encode(data, codec_options=DECODED), DECODED)
    return MessageTypes([cls]).decode(type, stored)


def _back(sent: Any) -> Any:
    type, _key, data = TYPES.encode(sent)
    return TYPES.decode(type, bson.decode(data, DECODED))


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    ("name", "given", "read"),
    [
        ("user", ID, ID),
        ("user", DecodedUser(id=ID), ID),
        ("user", DBRef("users", ID), ID),
        ("by_dbref", DBRef("users", ID), DBRef("users", ID)),
        ("by_dbref", DecodedUser(id=ID), DBRef("users", ID)),
        ("anything", DecodedUser(id=ID), {"_cls": "DecodedUser", "_ref": DBRef("users", ID)}),
        ("many", [ID, DecodedUser(id=ID)], [ID, ID]),
        ("any_of_many", [DecodedUser(id=ID)], [{"_cls": "DecodedUser", "_ref": DBRef("users", ID)}]),
        ("named", {"a": ID}, {"a": ID}),
        ("untyped", [DBRef("users", ID), {"x": DBRef("users", ID)}], [DBRef("users", ID), {"x": DBRef("users", ID)}]),
        ("mapped", {"x": [DBRef("users", ID)]}, {"x": [DBRef("users", ID)]}),
        ("dynamic", DecodedUser(id=ID), {"_cls": "DecodedUser", "_ref": DBRef("users", ID)}),
    ],
)
def test_a_reference_stays_what_is_stored(name: str, given: Any, read: Any) -> None:
    assert getattr(_back(UserSeen(**{name: given})), name) == read


@pytest.mark.timeout(20)
def test_so_it_does_in_documents_inside() -> None:
    back = _back(UserSeen(visit=Visit(user=ID), visits=[Visit(user=ID)]))

    assert (back.visit.user, back.visits[0].user) == (ID, ID)


@pytest.mark.timeout(20)
def test_a_lazy_reference_is_one_and_asks_nothing() -> None:
    back = _back(UserSeen(lazy=ID))

    assert (back.lazy.pk, back.lazy.document_type) == (ID, DecodedUser)


def test_the_user_s_own_documents_follow_references_as_before() -> None:
    _back(UserSeen(visit=Visit(user=ID)))

    assert Visit._fields["user"]._auto_dereference


def test_what_was_read_can_be_put_again() -> None:
    back = _back(UserSeen(user=ID, many=[ID], anything=DecodedUser(id=ID), visit=Visit(user=ID)))

    assert TYPES.encode(back)[2] == TYPES.encode(_back(back))[2]


class Event(EmbeddedDocument):  # type: ignore[misc]  # as above
    meta = {"allow_inheritance": True}  # noqa: RUF012  # as above


class DecodedBefore(Event):
    text = fields.StringField()


class DecodedAfter(Event):
    text = fields.StringField()


def test_a_renamed_class_reads_what_was_put_under_its_old_name() -> None:
    old, new = message("renamed")(DecodedBefore), message("renamed")(DecodedAfter)
    data = bson.decode(MessageTypes([old]).encode(old(text="a"))[2])

    assert "_cls" not in data
    for stored in (data, {**data, "_cls": "DecodedBefore"}, {**data, "_cls": "Nobody.Knows"}):
        back = _read(new, "renamed", stored)
        assert (type(back), back.text) == (new, "a")


def test_a_renamed_class_has_the_same_schema_and_one_that_holds_what_older_versions_put() -> None:
    assert bson_schema(DecodedBefore) == bson_schema(DecodedAfter)
    older = bson_schema(DecodedBefore)
    older["properties"]["_cls"] = {"enum": ["DecodedBefore"]}
    older["required"] = ["_cls"]

    assert differences(bson_schema(DecodedAfter), older) == []


class Shape(EmbeddedDocument):  # type: ignore[misc]  # as above
    meta = {"allow_inheritance": True}  # noqa: RUF012  # as above


class DecodedCircle(Shape):
    radius = fields.IntField()


@message("drawn")
class Drawn(EmbeddedDocument):  # type: ignore[misc]  # as above
    shape = fields.EmbeddedDocumentField(Shape)
    dynamic = fields.DynamicField()


def test_inside_a_message_the_name_tells_the_classes_apart() -> None:
    types = MessageTypes([Drawn])
    _type, _key, data = types.encode(Drawn(shape=DecodedCircle(radius=1)))
    stored = bson.decode(data, DECODED)

    assert stored["shape"] == {"_cls": "DecodedCircle", "radius": 1}
    assert type(types.decode("drawn", stored).shape) is DecodedCircle  # type: ignore[union-attr]  # it has one
    with pytest.raises(InvalidMessage, match="Gone"):
        types.decode("drawn", {"shape": {"_cls": "Gone"}})


def test_a_dynamic_field_s_unknown_class_is_plain_data() -> None:
    back: Any = MessageTypes([Drawn]).decode("drawn", {"dynamic": {"_cls": "Nobody.Knows", "x": 1}})

    assert back.dynamic == {"_cls": "Nobody.Knows", "x": 1}
