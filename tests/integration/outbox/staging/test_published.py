"""The collection `NAME.schemas`: each version of each type, as readers of Kafka were told of it."""

from __future__ import annotations

from typing import Any

from pymongo.database import Database

from outbox import Outbox
from outbox.messages.versions import TypeVersion
from outbox.staging.published import publish, published

SCHEMA = {"$schema": "https://json-schema.org/draft/2020-12/schema", "$ref": "#/$defs/a", "$defs": {"a": {}}}
FIRST, SECOND = TypeVersion("order.placed", 1), TypeVersion("order.placed", 2)


def test_a_schema_comes_back_as_it_was_with_its_references(database: Database[dict[str, Any]]) -> None:
    orders = Outbox(database)

    publish(orders.collections, {SECOND: {}, FIRST: SCHEMA})

    assert [(each.version, each.schema) for each in published(orders.collections)] == [(1, SCHEMA), (2, {})]


def test_what_is_published_again_unchanged_keeps_its_date(database: Database[dict[str, Any]]) -> None:
    orders = Outbox(database)
    publish(orders.collections, {FIRST: SCHEMA})
    before = list(published(orders.collections))

    publish(orders.collections, {FIRST: SCHEMA})

    assert list(published(orders.collections)) == before


def test_drop_takes_them_along(database: Database[dict[str, Any]]) -> None:
    orders = Outbox(database)
    publish(orders.collections, {FIRST: SCHEMA})

    orders.drop()

    assert list(published(orders.collections)) == []
