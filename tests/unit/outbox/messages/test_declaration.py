"""Declaring message classes, and giving them to an outbox."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest
from mongoengine import DynamicEmbeddedDocument, EmbeddedDocument, fields

from outbox import InvalidMessageClass, UnknownMessage, message
from outbox.messages.message_types import MessageTypes


class DeclaredLine(EmbeddedDocument):
    sku = fields.StringField(required=True)


@message("order.placed")
class DeclaredOrder(EmbeddedDocument):
    order_id = fields.StringField(required=True)


@pytest.mark.parametrize(
    "field", [fields.BooleanField(), fields.FloatField(), fields.ListField(), fields.ComplexDateTimeField()]
)
def test_a_field_that_makes_no_key_is_refused_at_decoration(field: Any) -> None:
    with pytest.raises(InvalidMessageClass, match=r"Keyed\.k is a .*; a key is a text, int, ObjectId or UUID field"):
        message("keyed", key="k")(type(EmbeddedDocument)("Keyed", (EmbeddedDocument,), {"k": field}))


def test_a_key_that_is_no_field_is_refused_at_decoration() -> None:
    with pytest.raises(InvalidMessageClass, match="DeclaredLine has no field 'missing'"):
        message("line", key="missing")(DeclaredLine)


@pytest.mark.parametrize("name", ["", ".", "..", "a b", "é", "a/b", "a\n", "a" * 250])
def test_a_type_name_that_is_no_topic_name_is_refused(name: str) -> None:
    with pytest.raises(InvalidMessageClass, match="is not a type name"):
        message(name)


@pytest.mark.parametrize("name", ["a", "...", "order.placed_v-2", "a" * 249])
def test_a_type_name_that_is_a_topic_name_is_taken(name: str) -> None:
    message(name)


class Dynamic(DynamicEmbeddedDocument):
    pass


class Abstract(EmbeddedDocument):
    meta: ClassVar = {"abstract": True}


@pytest.mark.parametrize(
    ("cls", "reason"),
    [
        (dict, "derive it from mongoengine.EmbeddedDocument"),
        ("text", "derive it from mongoengine.EmbeddedDocument"),
        (Dynamic, "dynamic"),
        (Abstract, "abstract"),
        (DeclaredOrder, "already is the message 'order.placed'"),
    ],
)
def test_what_is_no_message_class_is_refused_at_decoration(cls: Any, reason: str) -> None:
    with pytest.raises(InvalidMessageClass, match=reason):
        message("some.type")(cls)


@pytest.mark.parametrize("cls", [DeclaredLine, dict, "text"])
def test_an_outbox_takes_only_decorated_classes(cls: Any) -> None:
    with pytest.raises(InvalidMessageClass, match="decorate it"):
        MessageTypes([cls])


def test_an_outbox_takes_one_class_a_type() -> None:
    @message("order.placed")
    class Another(EmbeddedDocument):
        pass

    with pytest.raises(InvalidMessageClass, match=r"Another and DeclaredOrder both are 'order\.placed'"):
        MessageTypes([DeclaredOrder, Another])


def test_a_class_named_by_text_may_be_defined_after_the_decoration() -> None:
    @message("late")
    class Late(EmbeddedDocument):
        part = fields.EmbeddedDocumentField("DefinedLater")

    with pytest.raises(InvalidMessageClass, match="Late names a class that is not defined"):
        MessageTypes([Late])

    type(EmbeddedDocument)("DefinedLater", (EmbeddedDocument,), {"x": fields.IntField()})

    assert "x" in MessageTypes([Late]).schemas()["late"]["properties"]["part"]["properties"]


def test_a_class_derived_from_a_message_is_not_that_message() -> None:
    @message("base")
    class Base(EmbeddedDocument):
        meta: ClassVar = {"allow_inheritance": True}

    class Derived(Base):
        pass

    with pytest.raises(UnknownMessage, match="Derived is not a message of this outbox"):
        MessageTypes([Base]).encode(Derived())
    message("derived")(Derived)
    assert MessageTypes([Base, Derived]).encode(Derived())[0] == "derived"
