"""Whoever hands records to a sink of Kafka's, and looks what became of them."""

from __future__ import annotations

from outbox.delivery.ports import Outgoing, Sink
from outbox.errors import DeliveryFailed
from tests.actors.consumer import header, read_topic
from tests.waiting import wait_until


def outgoing(topic: str, seq: int, size: int = 10) -> Outgoing:
    """A record of one key, with a value of so many bytes."""
    return seq, topic, "k", b"x" * size, [("seq", str(seq))]


def after(last: Outgoing) -> str:
    """The cursor that is stored with a transaction, in tests that look for it."""
    return f"after {last[0]}"


def failure_of(sink: Sink) -> DeliveryFailed:
    """Polls until the sink gives up on a record."""

    def failure() -> DeliveryFailed | None:
        try:
            sink.poll(0.05)
        except DeliveryFailed as failed:
            return failed
        return None

    return wait_until(failure, 30, "the delivery to fail")


def seqs_in(kafka: str, topic: str, count: int) -> list[int]:
    """The seqs of what is committed to a topic, when there are so many."""
    found = read_topic(kafka, topic, lambda messages: len(messages) >= count)
    return [int(header(each, "seq")) for each in found]
