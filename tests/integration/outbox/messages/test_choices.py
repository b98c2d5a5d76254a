"""A choice may be given twice, or in two ways that are one to the server, which takes no `enum` with a repetition."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime
from typing import Any

import pytest
from bson import Binary, Code, Decimal128, Int64, ObjectId, Regex, Timestamp
from bson.datetime_ms import DatetimeMS
from mongoengine import DateTimeField, EmbeddedDocument, FloatField, IntField, ListField, StringField
from mongoengine.fields import DynamicField
from pymongo.database import Database
from pymongo.errors import OperationFailure

from outbox import Outbox, message
from outbox.errors import InvalidMessageClass
from outbox.messages.choices import distinct, identity

FAILED_TO_PARSE = 9
VALUES = [
    1, 1.0, Int64(1), True, False, 0, -0.0, 0.1, 2**60 + 1, float(2**60), float("nan"), float("inf"),
    *(Decimal128(text) for text in ("1.0", "1", "0.1", "NaN", "Infinity")),
    "1", "", None, [], [1], [1.0], [True], {}, {"a": 1, "b": 2}, {"b": 2.0, "a": 1}, {"a": True, "b": 2}, [{"a": 1.0}],
    b"x", Binary(b"x", 5), datetime(2025, 1, 1), datetime(2025, 1, 1, tzinfo=UTC), DatetimeMS(2**50),  # noqa: DTZ001  # as a class has it
    ObjectId("0" * 24), Timestamp(1, 1), Regex("a"), Code("x"),
]  # fmt: skip


def takes(database: Database[dict[str, Any]], values: list[Any]) -> bool:
    """Whether the server takes them as the values of one `enum`."""
    schema = {"$jsonSchema": {"properties": {"value": {"enum": values}}}}
    try:
        database.command("collMod", "choices", validator=schema)
    except OperationFailure as error:
        if error.code != FAILED_TO_PARSE:
            raise
        return False
    return True


def test_values_are_one_when_they_are_one_to_the_server(database: Database[dict[str, Any]]) -> None:
    database.create_collection("choices")

    for one, other in itertools.combinations(VALUES, 2):
        assert takes(database, [one, other]) == (identity(one) != identity(other)), (one, other)
    assert takes(database, distinct(VALUES))


@pytest.mark.parametrize(
    "field",
    [
        StringField(choices=["a", "a"]),
        StringField(choices=["a", None], null=True),
        IntField(choices=[1, 1]),
        FloatField(choices=[1, 1.0]),
        DateTimeField(choices=[datetime(2025, 1, 1), "2025-01-01T00:00:00"]),  # noqa: DTZ001  # as above
        DynamicField(choices=[1, 1.0, True]),
        ListField(StringField(), choices=["a", "b", "a"]),
        ListField(StringField(choices=["a", "b", "b"]), choices=["b", "b", "c"]),
    ],
    ids=lambda field: f"{type(field).__name__} {field.choices}",
)
def test_a_choice_that_is_given_twice_is_no_reason_to_fail(database: Database[dict[str, Any]], field: Any) -> None:
    @message("choice.made")
    class ChoiceMade(EmbeddedDocument):  # type: ignore[misc]  # mongoengine has no types
        choice = field

    with Outbox(database, messages=[ChoiceMade], sequence=False) as outbox:
        outbox.create()

        value = field.choices[0]
        outbox.put(
            ChoiceMade(choice=[value] if isinstance(field, ListField) and value != "a" else None), standalone=True
        )


def test_a_list_and_its_items_with_no_choice_in_common_are_refused() -> None:
    with pytest.raises(InvalidMessageClass, match="none of the list's choices is among its items' choices"):

        @message("choice.made")
        class ChoiceMade(EmbeddedDocument):  # type: ignore[misc]  # as above
            choice = ListField(StringField(choices=["a"]), choices=["b"])
