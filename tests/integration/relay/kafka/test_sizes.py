"""Large messages: delivered, refused when they are put, or poison with the reason that is true."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from mongoengine import BinaryField, DateTimeField, EmbeddedDocument, ListField, StringField
from pymongo.database import Database

from outbox import MessageTooLarge, Outbox, message
from outbox.delivery.ports import Outgoing
from outbox.log.batch import LARGEST_MESSAGE
from outbox.staging.footprint import TOPIC_BYTES, largest
from relay import KafkaSink, KafkaTransactions, Relay
from relay.encoding.topics import Topics
from relay.errors import DeliveryFailed, PoisonMessage, Verdict
from tests.actors.consumer import create_small_topic, read_topic
from tests.actors.order_service import foreign
from tests.actors.relay_thread import run_once
from tests.servers.kafka import create_cursor_topic
from tests.waiting import wait_until

MB = 1_000_000
WIDE = 16 * MB
"""max.message.bytes of the wide topic."""


@message("large")
class Large(EmbeddedDocument):  # type: ignore[misc]  # mongoengine ships no types
    text = StringField()
    binary = BinaryField()
    dates = ListField(DateTimeField())


@pytest.fixture
def wide(kafka: str, topic_name: str) -> str:
    """A topic that takes records of up to 16 MB."""
    create_small_topic(kafka, topic_name, WIDE)
    return topic_name


@pytest.fixture
def orders(database: Database[dict[str, Any]]) -> Iterator[Outbox]:
    with Outbox(database, messages=[Large]) as outbox:
        outbox.create()
        yield outbox


def outgoing(topic: str, seq: int, size: int) -> Outgoing:
    return seq, topic, "k", b"x" * size, [("seq", str(seq))]


@pytest.mark.parametrize(
    "large",
    [{"binary": b"\x00" * 900_000}, {"dates": [datetime(2025, 1, 1, tzinfo=UTC)] * 60_000}, {"text": '"' * 950_000}],
    ids=["a binary", "dates", "quotes"],
)
def test_what_a_topic_of_kafka_s_defaults_would_not_take_is_refused_when_it_is_put(
    orders: Outbox, large: dict[str, Any]
) -> None:
    with pytest.raises(MessageTooLarge, match="as JSON on Kafka"):
        orders.put(Large(**large), standalone=True)

    assert orders.collections.staging.find_one() is None


def test_the_largest_that_may_be_put_is_taken_by_a_topic_of_kafka_s_defaults(
    orders: Outbox, kafka: str, topic: str
) -> None:
    def refused(count: int) -> bool:
        try:
            orders.put(Large(text="\x01" * count), standalone=True)
        except MessageTooLarge:
            return True
        return False

    room = (TOPIC_BYTES - 5_000) // 6
    count = next(room + more for more in range(0, 5_000, 50) if refused(room + more + 50))  # to 300 bytes of JSON
    run_once(Relay(orders, KafkaSink(kafka), topics=Topics(topic)))

    found = read_topic(kafka, topic, lambda messages: any(len(each.value() or b"") > 6 * count for each in messages))
    assert TOPIC_BYTES - 2_000 < max(len(each.value() or b"") for each in found) < TOPIC_BYTES


@pytest.mark.parametrize("compression", ["none", "zstd"])
def test_a_record_of_ten_megabytes_is_delivered_where_the_topic_takes_it(
    kafka: str, wide: str, compression: str
) -> None:
    sink, acknowledged = KafkaSink(kafka, {"compression.type": compression}), list[int]()
    sink.open(acknowledged.append)
    assert sink.send([outgoing(wide, 1, 10 * MB)]) == 1

    def arrived() -> bool:
        sink.poll(0.05)
        return acknowledged == [1]

    wait_until(arrived, 60, "the record")
    sink.close()


@pytest.mark.parametrize("kind", [KafkaSink, KafkaTransactions])
@pytest.mark.parametrize(
    ("settings", "size", "limit"),
    [
        ({}, 30 * MB, "queue.buffering.max.kbytes of 20480"),
        ({"queue.buffering.max.kbytes": "1024"}, 2 * MB, "queue.buffering.max.kbytes of 1024"),
        ({"queue.buffering.max.kbytes": "102400"}, 70 * MB, "message.max.bytes of 67108864"),
    ],
)
def test_a_limit_of_the_relay_s_own_client_is_told_as_such(
    kafka: str, wide: str, kind: type[KafkaSink], settings: dict[str, str], size: int, limit: str
) -> None:
    """An empty queue that is too small for one record waited for ever."""
    sink = kind(kafka, settings)
    if isinstance(sink, KafkaTransactions):
        create_cursor_topic(kafka)
        sink.take_over(wide, lambda last: str(last[0]))
    sink.open(lambda _: None)

    with pytest.raises(DeliveryFailed) as failed:
        sink.send([outgoing(wide, 7, size)])

    sink.close()
    assert (failed.value.seq, failed.value.verdict) == (7, Verdict.POISON)
    assert f"takes {size} bytes, more than the relay's own {limit}" in failed.value.reason
    assert "topic" not in failed.value.reason


def test_what_another_language_puts_past_that_is_poison_of_the_topic(orders: Outbox, kafka: str, topic: str) -> None:
    """The server's validator counts BSON, and cannot know what the message takes as JSON."""
    orders.collections.staging.insert_one(foreign(type="large", key=None, data={"binary": b"\x00" * 900_000}))

    with pytest.raises(PoisonMessage, match=r"larger than the topic's max\.message\.bytes"):
        run_once(Relay(orders, KafkaSink(kafka), topics=Topics(topic)))


def test_all_that_may_be_put_at_all_fits_into_the_relay_s_queue(kafka: str, topic_name: str) -> None:
    sink = KafkaSink(kafka)
    sink.open(lambda _: None)

    assert sink.send([outgoing(topic_name, 1, largest(LARGEST_MESSAGE))]) == 1
    sink.close()
