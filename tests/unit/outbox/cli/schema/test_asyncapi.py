"""The AsyncAPI document of an outbox. Held against the specification's own schema by hand: npm has that."""

from __future__ import annotations

from outbox.cli.schema.asyncapi import asyncapi

SCHEMA = {"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object"}
MADE = asyncapi("shop", "outbox", {"order.placed": SCHEMA, "order_placed": SCHEMA}, {"order.placed": 2})


def test_it_has_the_topic_with_a_message_for_each_type() -> None:
    [channel] = MADE["channels"].values()

    assert channel["address"] == "shop.outbox"
    assert [each["name"] for each in MADE["components"]["messages"].values()] == ["order.placed", "order_placed"]
    for name, reference in channel["messages"].items():
        assert reference == {"$ref": f"#/components/messages/{name}"}
        assert name in MADE["components"]["messages"]


def test_a_message_has_the_json_schema_of_its_value_and_says_its_dialect() -> None:
    payload = MADE["components"]["messages"]["order.placed"]["payload"]

    assert payload == {"schemaFormat": "application/schema+json;version=2020-12", "schema": SCHEMA}


def test_its_headers_tell_the_version_where_there_is_more_than_one() -> None:
    messages = MADE["components"]["messages"]

    assert messages["order.placed"]["headers"]["properties"]["schema-version"] == {"const": "2"}
    assert list(messages["order_5fplaced"]["headers"]["properties"]) == ["id", "seq", "log", "created", "type"]
