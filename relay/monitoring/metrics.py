"""Metrics of the relays of a process, beside those of their outboxes."""

from __future__ import annotations

from collections import Counter
from typing import Protocol

from outbox import Outbox
from outbox.clock import Clock
from outbox.counting.tally import Counts, ReaderTally
from outbox.metrics.collector import OutboxCollector, summed
from outbox.metrics.families import FAMILIES as OF_OUTBOXES
from outbox.metrics.numbers import Family, Numbers

FAMILIES = (
    Family("relay_sent_messages_total", "counter", "Messages that Kafka has acknowledged", ("topic",)),
    Family("relay_retries_total", "counter", "Tries that failed and were made again, by the error", ("code",)),
    Family("relay_broker_errors_total", "counter", "Errors between this process and the brokers", ("code",)),
    Family("relay_delivery_seconds", "histogram", "From put to acknowledged, by the clocks of two machines"),
    Family("relay_publish_seconds", "histogram", "From when Kafka's client has a message to its acknowledgement"),
    Family("relay_batch_messages", "histogram", "How many messages Kafka's client was given at a time"),
)


class MeasuredRelay(Protocol):
    """What is measured of a relay.Relay."""

    @property
    def outbox(self) -> Outbox: ...
    @property
    def sink(self) -> object: ...
    @property
    def tally(self) -> ReaderTally: ...


class RelayCollector(OutboxCollector):
    """Gives the numbers of relays and of their outboxes whenever a registry asks, as OutboxCollector does."""

    families = (*OF_OUTBOXES, *FAMILIES)

    def __init__(self, *relays: MeasuredRelay, clock: Clock | None = None) -> None:
        super().__init__(*{id(each.outbox): each.outbox for each in relays}.values(), clock=clock)
        self._relays = relays

    def numbers(self) -> Numbers:
        """See OutboxCollector."""
        numbers = super().numbers()
        tallies = [relay.tally for relay in self._relays]
        errors = [getattr(relay.sink, "broker_errors", None) for relay in self._relays]
        for name, counts in {
            "relay_sent_messages_total": [tally.sent for tally in tallies],
            "relay_retries_total": [tally.retries for tally in tallies],
            "relay_broker_errors_total": [each for each in errors if isinstance(each, Counts)],
        }.items():
            total: Counter[str] = Counter()
            for each in counts:
                for label, count in each.all().items():
                    total[label] += int(count)
            numbers.set_all(name, total)
        if tallies:
            numbers.set("relay_delivery_seconds", summed(each.delivery_seconds.all() for each in tallies))
            numbers.set("relay_publish_seconds", summed(each.publish_seconds.all() for each in tallies))
            numbers.set("relay_batch_messages", summed(each.batch_messages.all() for each in tallies))
        return numbers
