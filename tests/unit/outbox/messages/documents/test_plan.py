"""A message class that is mongoengine's own is compiled; one with a way of its own keeps it."""

from __future__ import annotations

from typing import Any

import bson
import pytest
from mongoengine import EmbeddedDocument, ValidationError, fields  # type: ignore[import-untyped]  # it ships no types

from outbox import InvalidMessage, message
from outbox.messages.documents.conversions import Unsure
from outbox.messages.documents.plan import Plans
from outbox.messages.message_types import MessageTypes

F = fields


class PlannedShape(EmbeddedDocument):  # type: ignore[misc]  # mongoengine ships no types
    meta = {"allow_inheritance": True}  # noqa: RUF012  # mongoengine's way
    name = F.StringField(required=True)


class PlannedSquare(PlannedShape):
    side = F.IntField(db_field="s")


class PlannedOddShape(PlannedShape):
    def clean(self) -> None:
        self.name = "cleaned"


class OwnText(F.StringField):  # type: ignore[misc]  # as above
    def validate(self, value: Any) -> None:
        super().validate(value)
        if value == "bad":
            self.error("bad by its own rule")


class LongText(F.StringField):  # type: ignore[misc]  # as above
    """Changes nothing."""


def _no_bad(value: str) -> None:
    if value == "bad":
        raise ValidationError("bad by the field's function")


def _class(name: str, **namespace: Any) -> Any:
    return type(EmbeddedDocument)(name, (EmbeddedDocument,), namespace)


def _is_compiled(made: Any) -> bool:
    try:
        Plans().data_of(made)
    except Unsure:
        return False
    return True


def _refuse(self: Any, clean: bool = True) -> None:  # as mongoengine has it
    raise ValidationError("bad by the class")


def test_a_class_of_library_fields_is_compiled() -> None:
    assert Plans().data_of(PlannedSquare(name="a", side=2)) == {
        "_cls": "PlannedSquare",
        "name": "a",
        "s": 2,
    }


def test_a_derived_field_that_changes_nothing_is_compiled() -> None:
    assert _is_compiled(_class("PlannedLong", f=LongText())(f="a"))


@pytest.mark.parametrize(
    "namespace",
    [
        {"f": F.StringField(), "validate": _refuse},
        {"f": F.StringField(), "clean": _refuse},
        {"f": OwnText()},
        {"f": F.ListField(OwnText())},
        {"f": F.StringField(validation=_no_bad)},
        {"f": F.ListField(F.StringField(validation=_no_bad))},
    ],
)
def test_a_class_with_a_way_of_its_own_keeps_it(namespace: dict[str, Any]) -> None:
    cls = message("planned")(_class("PlannedOwn", **namespace))
    made = cls(f=["bad"] if isinstance(cls.f, F.ListField) else "bad")

    assert not _is_compiled(made)
    with pytest.raises(InvalidMessage, match="bad by"):
        MessageTypes([cls]).encode(made)


def test_a_document_of_a_derived_class_is_stored_by_its_own_fields() -> None:
    cls = message("planned")(_class("PlannedHolder", f=F.EmbeddedDocumentField(PlannedShape)))
    made = cls(f=PlannedSquare(name="a", side=1))

    assert Plans().data_of(made)["f"] == {"_cls": "PlannedSquare", "name": "a", "s": 1}


def test_a_document_inside_is_cleaned_by_its_own_class() -> None:
    cls = message("planned")(_class("PlannedOdd", f=F.EmbeddedDocumentField(PlannedShape)))
    made = cls(f=PlannedOddShape(name="a"))

    assert bson.decode(MessageTypes([cls]).encode(made)[2])["f"]["name"] == "cleaned"


def test_the_name_of_the_class_stands_first_where_mongoengine_puts_it() -> None:
    made = PlannedSquare(name="a", side=2)

    assert list(Plans().data_of(made)) == list(made.to_mongo())


def test_an_id_keeps_the_place_that_mongoengine_gives_it() -> None:
    cls = message("planned")(_class("PlannedId", a=F.IntField(), b=F.IntField(primary_key=True)))

    assert list(bson.decode(MessageTypes([cls]).encode(cls(a=1, b=2))[2])) == ["_id", "a"]


def test_no_value_is_stored_where_there_is_none() -> None:
    cls = _class("PlannedEmpty", a=F.IntField(), b=F.IntField(null=True))

    assert Plans().data_of(cls()) == {"b": None}


def test_a_required_value_that_is_missing_is_left_to_mongoengine() -> None:
    assert not _is_compiled(PlannedShape())
