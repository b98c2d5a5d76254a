"""Encodings and shapes by the command `relay run`, on a real broker."""

from __future__ import annotations

import bson
from confluent_kafka import Message

from outbox import Outbox
from tests.actors.consumer import header, read_topic
from tests.actors.order_service import OrderCancelled, placed
from tests.actors.relay_command import RelayCommand


def test_a_file_says_what_becomes_of_each_type(relay: RelayCommand, orders: Outbox, kafka: str, topic: str) -> None:
    file = relay.folder / "relay.toml"
    file.write_text(
        f'encoding = "cloudevents"\ntimestamp = "created"\nheader_map = "seq=number"\n'
        f'[topics]\n"order.placed" = "{topic}"\n[encodings]\n"order.placed" = "bson"\n'
    )
    orders.put([placed(3), OrderCancelled(order_id="7")], standalone=True)

    done = relay("run", "--once", "--config", str(file), "--key-from", "type")

    assert done.returncode == 0, done.stderr

    def by_type(found: list[Message]) -> dict[str, Message]:
        return {header(each, "type"): each for each in found}

    found = by_type(read_topic(kafka, topic, lambda found: len(found) >= 2))
    placed_, cancelled = found["order.placed"], found["order.cancelled"]
    record = orders.log.record_at(1)
    assert record is not None
    assert bson.decode(placed_.value() or b"") == {"order_id": "42", "total": 3}
    assert (cancelled.value(), cancelled.key()) == (b'{"order_id":"7"}', b"order.cancelled")
    assert (header(cancelled, "ce_subject"), header(cancelled, "number")) == ("7", "2")
    assert placed_.timestamp()[1] == record.created_ms


def test_words_that_cannot_be_used_are_explained(relay: RelayCommand, orders: Outbox) -> None:
    wrong = relay("run", "--key-from", "order_id")

    assert (wrong.returncode, wrong.stderr) == (
        2,
        "relay: --key-from 'order_id': give key, type, id, none, header.NAME or data.FIELD\n",
    )
