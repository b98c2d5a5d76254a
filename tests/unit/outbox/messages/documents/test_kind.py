"""mongoengine's documents as a kind of message classes: what its own errors become."""

from __future__ import annotations

import pytest
from mongoengine import EmbeddedDocument, fields

from outbox.messages.documents.kind import KIND
from outbox.messages.kinds import NotDefined


class KindLine(EmbeddedDocument):
    sku = fields.StringField(db_field="s", max_length=3)
    count = fields.IntField()


class KindOuter(EmbeddedDocument):
    line = fields.EmbeddedDocumentField(KindLine)


class KindLate(EmbeddedDocument):
    part = fields.EmbeddedDocumentField("KindDefinedNever")


def test_an_attribute_is_known_by_its_stored_name() -> None:
    assert KIND.stored_name(KindLine, "sku", "key") == "s"


def test_a_class_that_is_not_defined_yet_is_told_from_one_that_cannot_be_stored() -> None:
    for asked in (KIND.check, KIND.bson_schema, KIND.keep_exact):
        with pytest.raises(NotDefined, match="KindLate names a class that is not defined"):
            asked(KindLate)


@pytest.mark.parametrize(("attribute", "value"), [("sku", "four"), ("count", 2.5), ("count", "x")])
def test_a_key_that_no_message_could_have_has_no_text(attribute: str, value: object) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        KIND.key_text(KindLine, attribute, value)


def test_data_of_another_shape_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="KindLine: a int is no document"):
        KIND.decode(KindOuter, {"line": 1})
