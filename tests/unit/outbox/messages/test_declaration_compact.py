"""Declaring what messages are compacted by."""

from __future__ import annotations

from typing import Any

import pytest
from mongoengine import EmbeddedDocument, fields

from outbox import InvalidMessageClass, message
from outbox.messages.message_types import MessageTypes


def declared(compact: Any, by: str | None = "sku", **more: Any) -> MessageTypes:
    attributes = {"sku": fields.StringField(), "line_id": fields.IntField(db_field="line"), **more}
    cls = type(EmbeddedDocument)("Declared", (EmbeddedDocument,), attributes)
    return MessageTypes([message("declared", key=by, compact=compact)(cls)])


@pytest.mark.parametrize(
    ("compact", "key", "compaction"),
    [
        (True, "sku", "key"),
        ("sku", "sku", "key"),
        (True, "line_id", "key"),
        ("line_id", "sku", "data.line"),
        ("line_id", None, "data.line"),
    ],
)
def test_it_is_the_key_or_the_stored_name_of_a_field(compact: Any, key: str | None, compaction: str) -> None:
    assert declared(compact, key).compactions == {"declared": compaction}


def test_a_class_that_does_not_say_so_is_not_compacted() -> None:
    assert declared(False).compactions == {}


def test_a_class_without_a_key_cannot_be_compacted_by_it() -> None:
    with pytest.raises(InvalidMessageClass, match="Declared has no key to be compacted by"):
        declared(True, None)


@pytest.mark.parametrize("field", [fields.BooleanField(), fields.FloatField(), fields.DictField()])
def test_a_field_that_makes_no_key_makes_no_compaction_id(field: Any) -> None:
    with pytest.raises(InvalidMessageClass, match=r"Declared\.other is a .*; a compaction id is a text, int"):
        declared("other", other=field)


@pytest.mark.parametrize("name", ["missing", "line", "", "_cls"])
def test_an_attribute_that_is_not_there_is_refused(name: str) -> None:
    with pytest.raises(InvalidMessageClass, match=f"Declared has no field '{name}' to be its compaction id"):
        declared(name)


@pytest.mark.parametrize("compact", [None, 1, 0, ["line_id"], b"line_id"])
def test_what_is_neither_true_nor_a_name_is_refused(compact: Any) -> None:
    with pytest.raises(InvalidMessageClass, match="give True to compact by the key, or an attribute's name"):
        declared(compact)


def test_an_attribute_named_key_would_not_be_told_from_the_message_s_key() -> None:
    with pytest.raises(InvalidMessageClass, match="compact='key'"):
        declared("key", key=fields.StringField())
    with pytest.raises(InvalidMessageClass, match="compact='key'"):
        declared("key", None, key=fields.StringField())
