"""Messages from nothing at all to the largest that may be put, through to Kafka."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import bson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pymongo.database import Database
from pymongo.errors import WriteError

from outbox import MessageTooLarge, Outbox
from relay import Relay
from relay.encoding.topics import Topics
from relay.kafka.sink import KafkaSink
from tests.actors.consumer import header, read_topic
from tests.actors.order_service import StockCounted, foreign, new_outbox, placed
from tests.actors.relay_thread import run_once

pytestmark = pytest.mark.heavy

Document = dict[str, Any]
LIMIT = 1_000_000
"""The default of `max_message_bytes`."""
DOCUMENT_VALIDATION_FAILURE = 121


@pytest.fixture
def orders(database: Database[Document]) -> Iterator[Outbox]:
    with new_outbox(database) as outbox:
        yield outbox


def staged(note: str) -> Document:
    """The document that `put(placed(1, note=note))` stages."""
    return foreign(data={"order_id": "42", "total": 1, "note": note})


ROOM = LIMIT - len(bson.encode(staged("")))
"""The longest note."""


def delivered(orders: Outbox, kafka: str, topic: str, count: int) -> dict[str, Any]:
    """The values on Kafka, by message id."""
    run_once(Relay(orders, KafkaSink(kafka, {}), topics=Topics(topic)))
    found = read_topic(kafka, topic, lambda messages: len(messages) >= count)
    assert len(found) == count
    return {header(each, "id"): json.loads(each.value() or b"null") for each in found}


def test_every_length_up_to_the_limit_arrives_whole(orders: Outbox, kafka: str, topic: str) -> None:
    lengths = [0, 1, 100, 10_000, 100_000, ROOM - 1, ROOM]
    ids = {length: orders.put(placed(1, note="x" * length), standalone=True) for length in lengths}

    values = delivered(orders, kafka, topic, len(lengths))

    assert [len(values[str(ids[length])]["note"]) for length in lengths] == lengths


def test_a_message_without_any_field_arrives(orders: Outbox, kafka: str, topic: str) -> None:
    id = orders.put(StockCounted(), standalone=True)

    assert delivered(orders, kafka, topic, 1) == {str(id): {}}


def test_one_byte_more_is_refused_by_both(orders: Outbox) -> None:
    with pytest.raises(MessageTooLarge):
        orders.put(placed(1, note="x" * (ROOM + 1)), standalone=True)
    with pytest.raises(WriteError) as refused:
        orders.collections.staging.insert_one(staged("x" * (ROOM + 1)))

    assert refused.value.code == DOCUMENT_VALIDATION_FAILURE


@given(lengths=st.lists(st.integers(0, ROOM), min_size=1, max_size=12))
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_mixture_is_numbered_in_order(orders: Outbox, lengths: list[int]) -> None:
    before = orders.log.head()
    orders.put([placed(length, note="x" * length) for length in lengths], standalone=True)
    orders.sequence()

    assert [len(each.data.get("note", "")) for each in orders.read(start=before + 1)] == lengths
