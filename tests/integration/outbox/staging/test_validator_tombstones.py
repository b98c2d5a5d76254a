"""Tombstones and the staging collection's validator: only of the types that are compacted, and only with their id."""

from __future__ import annotations

from typing import Any

import pytest
from pymongo.database import Database
from pymongo.errors import WriteError

from outbox import Outbox
from outbox.staging.refusal import reason
from outbox.staging.validator import compactions_of, types_of
from tests.actors.catalogue import MESSAGES, Price, Viewed, new_catalogue, staged
from tests.actors.order_service import OrderPlaced

pytestmark = pytest.mark.oldest_server

Document = dict[str, Any]

DOCUMENT_VALIDATION_FAILURE = 121


def refusal(outbox: Outbox, one: Document) -> str:
    """Why the server refuses it."""
    with pytest.raises(WriteError) as error:
        outbox.collections.staging.insert_one(one)
    assert error.value.code == DOCUMENT_VALIDATION_FAILURE
    return reason(error.value)


@pytest.mark.parametrize(
    "one",
    [
        staged("price", None),
        staged("price", None, "k", tenant="acme"),
        staged("price", {"sku": "k"}),
        staged("line", None, "o1", **{"compaction-id": "7"}),
        staged("line", None, "o1", **{"compaction-id": "x" * 1024, "tenant": "acme"}),
        staged("line", {"order_id": "o1", "line": 7}, "o1"),
    ],
)
def test_a_tombstone_of_a_compacted_type_is_taken(database: Database[Document], one: Document) -> None:
    new_catalogue(database).collections.staging.insert_one(one)


@pytest.mark.parametrize(
    ("one", "why"),
    [
        (staged("view", None), "data: bsonType object, not null"),
        (staged("view", None, "k", **{"compaction-id": "k"}), "data: bsonType object, not null"),
        (staged("price", None, None), "key: bsonType string, not null"),
        (staged("price", None, "k", **{"compaction-id": "k"}), "headers.compaction-id: not"),
        (staged("price", {"sku": "k"}, "k", **{"compaction-id": "k"}), "headers.compaction-id: not"),
        (staged("price", {"sku": 5}), "data.sku: bsonType string, not int"),
        (staged("price", []), "data: bsonType"),
        (staged("line", None), "headers.compaction-id: is missing"),
        (staged("line", None, "k", **{"compaction-id": "x" * 1025}), "headers.compaction-id: maxLength 1024"),
        (staged("line", None, "k", **{"compaction-id": "a\n"}), "headers: pattern"),
        (staged("line", {"order_id": "1", "line": 7}, "k", **{"compaction-id": "7"}), "headers.compaction-id: not"),
        (staged("view", {"sku": "k"}, "k", **{"compaction-id": "k"}), "headers.compaction-id: not"),
    ],
)
def test_whatever_else_has_no_data_or_that_header_is_refused(
    database: Database[Document], one: Document, why: str
) -> None:
    assert refusal(new_catalogue(database), one).startswith(why)


def test_an_outbox_without_compacted_types_takes_none(database: Database[Document]) -> None:
    views = Outbox(database, messages=[Viewed])
    views.create()

    assert refusal(views, staged("view", None)).startswith("data: bsonType object, not null")
    assert refusal(views, staged("view", {"sku": "k"}, "k", **{"compaction-id": "k"})) == "headers.compaction-id: not"


@pytest.mark.parametrize("other", [(OrderPlaced,), (Viewed,), (Price,), ()])
def test_the_create_of_another_service_leaves_them(database: Database[Document], other: tuple[Any, ...]) -> None:
    catalogue = new_catalogue(database)

    Outbox(database, messages=other).create()

    catalogue.collections.staging.insert_many([staged("price", None), staged("line", None, **{"compaction-id": "7"})])
    assert refusal(catalogue, staged("view", None)).startswith("data: bsonType object, not null")


def test_what_the_types_are_compacted_by_can_be_read_from_the_server(database: Database[Document]) -> None:
    staging = new_catalogue(database).collections.staging

    assert compactions_of(staging.options()["validator"]) == {"price": "key", "line": "data.line"}
    assert list(types_of(staging.options()["validator"])) == ["price", "line", "view"]


@pytest.mark.parametrize(
    "validator", [{}, {"$or": []}, {"$or": [{}]}, {"$or": [{"type": "a", "$jsonSchema": {"title": "tombstone"}}]}]
)
def test_of_any_other_validator_no_type_is_compacted(validator: Document) -> None:
    assert compactions_of(validator) == {}


def test_a_compacted_type_keeps_its_schema(database: Database[Document]) -> None:
    new_catalogue(database)

    with Outbox(database, messages=MESSAGES) as again:
        before = again.collections.staging.options()
        again.create()
        assert again.collections.staging.options() == before
