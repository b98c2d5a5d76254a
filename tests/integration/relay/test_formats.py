"""What a relay makes of messages, from the log to a sink, in each encoding and shape."""

from __future__ import annotations

import json
import random
from typing import Any

import bson
import pytest
from bson import json_util

from outbox import Outbox
from relay import HeaderNames, KeyFrom, RecordFormat, Relay, Topics
from relay.config import RelayConfig
from relay.encoding.choices import Encoding
from relay.encoding.profiles import DEBEZIUM_HEADERS, DEBEZIUM_TOPIC
from relay.errors import PoisonMessage, Unreachable
from relay.replay.asked import Asked
from relay.replay.counting import count
from relay.testing import MemoryRecord, MemorySink, MemoryTransactions
from tests.actors.order_service import OrderCancelled, StockCounted, placed
from tests.actors.registry import AVRO, JSON, ScriptedRegistry, mock_registry, schema
from tests.actors.relay_thread import run_once


def relayed(orders: Outbox, format: RecordFormat = RecordFormat(), **options: Any) -> list[MemoryRecord]:  # noqa: B008
    sink = MemorySink()
    run_once(Relay(orders, sink, format=format, **options))
    return sink.records


@pytest.fixture
def three(orders: Outbox) -> Outbox:
    """An order, its end, and a count without a key."""
    messages = [placed(3), OrderCancelled(order_id="42"), StockCounted(count=7)]
    orders.put(messages, standalone=True, headers={"tenant": "acme"})
    orders.sequence()
    return orders


def test_each_type_has_its_encoding(three: Outbox) -> None:
    format = RecordFormat("json", {"order.placed": "bson", "order.cancelled": "extended-json"})

    of_bson, extended, plain = relayed(three, format)

    assert bson.decode(of_bson.value or b"") == {"order_id": "42", "total": 3}
    assert json_util.loads((extended.value or b"").decode()) == {"order_id": "42"}
    assert json.loads(plain.value or b"") == {"count": 7}


def test_a_cloud_event_names_the_outbox_it_is_from(three: Outbox) -> None:
    event = dict(relayed(three, RecordFormat("cloudevents"))[0].headers)

    assert event["ce_source"].decode() == f"/{three.collections.database.name}/outbox"
    assert event["content-type"] == b"application/json"


def test_topics_may_be_of_headers_and_of_single_types(three: Outbox) -> None:
    topics = Topics("{header.tenant}.{aggregate}", {"stock.counted": "stock"})

    assert [record.topic for record in relayed(three, topics=topics)] == ["acme.order", "acme.order", "stock"]


def test_a_message_that_its_topic_cannot_be_named_by_goes_by_the_policy(three: Outbox) -> None:
    with pytest.raises(PoisonMessage, match="seq 3.*it has no key, which its topic is named by"):
        relayed(three, topics=Topics("{key}"))
    assert three.collections.cursors.find_one()["seq"] == 2  # type: ignore[index]  # there is one

    assert relayed(three, topics=Topics("{key}"), on_poison="dead-letter") == []
    assert three.collections.dead.count_documents({}) == 1


def test_a_replay_counts_by_the_topic_of_each_message(three: Outbox) -> None:
    config = RelayConfig(three, "kafka", "beginning", "stop", random.random, Topics("to.{key}"))

    assert count(config, Asked(1, 3)).records == {
        ("order.cancelled", "to.42"): 1,
        ("order.placed", "to.42"): 1,
        ("stock.counted", "none: it has no key, which its topic is named by"): 1,
    }


def test_keys_headers_and_dates_are_as_they_are_asked_for(three: Outbox) -> None:
    format = RecordFormat(key=KeyFrom("header.tenant"), headers=HeaderNames(prefix="outbox-"), timestamp="created")

    record = relayed(three, format)[0]

    log = three.log.record_at(1)
    assert log is not None
    assert (record.key, record.timestamp) == (b"acme", log.created_ms)
    assert [name for name, _ in record.headers] == [
        "outbox-id", "outbox-seq", "outbox-log", "outbox-created", "outbox-type", "tenant",
    ]  # fmt: skip


def test_consumers_of_debezium_find_what_they_know(three: Outbox) -> None:
    format, topics = RecordFormat(headers=HeaderNames(DEBEZIUM_HEADERS)), Topics(DEBEZIUM_TOPIC)

    order, _, stock = relayed(three, format, topics=topics)

    headers = dict(order.headers)
    assert (order.topic, order.key, stock.topic) == ("outbox.event.order", b"42", "outbox.event.stock")
    assert json.loads(order.value or b"") == {"order_id": "42", "total": 3}
    assert (len(headers["id"]), headers["eventType"]) == (24, b"order.placed")


def test_a_cursor_in_kafka_needs_no_header_by_its_name(three: Outbox) -> None:
    format = RecordFormat(headers=HeaderNames({"id": "", "created": ""}), timestamp="created")
    sink = MemoryTransactions()
    run_once(Relay(three, sink, format=format))
    three.put(placed(4), standalone=True)
    three.sequence()

    run_once(Relay(three, sink, format=format))

    assert [record.seq for record in sink.records] == [1, 2, 3, 4]


@pytest.mark.parametrize("encoding", ["avro", "json-schema"])
def test_while_the_registry_is_away_the_relay_waits_and_then_goes_on(three: Outbox, encoding: Encoding) -> None:
    kind, text = {"avro": ("AVRO", AVRO), "json-schema": ("JSON", JSON)}[encoding]
    away = Unreachable("the schema registry did not answer")
    registry = ScriptedRegistry(away, away, schema(kind, text))

    records = relayed(three, RecordFormat("json", {"order.placed": encoding}, registry=registry))

    assert [record.seq for record in records] == [1, 2, 3]
    assert (records[0].value or b"")[:5] == b"\0\0\0\0\7"
    assert len(registry.asked) == 3


def test_a_type_whose_schema_is_not_registered_is_poison_and_another_is_not(three: Outbox) -> None:
    registry = mock_registry(order__placed=("JSON", JSON))
    encodings: dict[str, Encoding] = {"order.placed": "json-schema", "order.cancelled": "json-schema"}

    records = relayed(three, RecordFormat("json", encodings, registry=registry), on_poison="dead-letter")

    letter = three.collections.dead.find_one()
    assert [record.seq for record in records] == [1, 3]
    assert letter is not None
    assert "of the subject 'order.cancelled'" in letter["error"]["reason"]
