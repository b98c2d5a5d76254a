"""What a relay is told to do: which topics it checks and when, and how it delivers to each kind of sink."""

from __future__ import annotations

import random
from collections.abc import Collection

import pytest

from outbox import Outbox
from outbox.delivery.at_least_once import AtLeastOnce
from outbox.shares.share import ALL
from relay import Topics
from relay.config import RelayConfig
from relay.errors import InvalidSettings, PoisonMessage, TopicMissing
from relay.kafka.exactly_once import ExactlyOnce
from relay.testing import MemorySink, MemoryTransactions
from tests.actors.relay_thread import numbered


class CountingSink(MemorySink):
    """Keeps which topics it was asked about."""

    def __init__(self, topics: Collection[str] | None = None) -> None:
        super().__init__(topics)
        self.asked: list[str] = []

    def check(self, topics: Collection[str]) -> None:
        self.asked += topics
        super().check(topics)


def config(orders: Outbox, template: str = "{outbox}.{type}") -> RelayConfig:
    return RelayConfig(orders, "kafka", "beginning", "stop", random.random, Topics(template))


def test_a_topic_has_the_names_of_its_database_outbox_and_type(orders: Outbox) -> None:
    made = config(orders, "{database}.{outbox}.{type}")

    assert made.topic("order.placed") == f"{orders.collections.database.name}.{orders.name}.order.placed"


def test_a_type_that_gives_no_name_for_a_topic_is_refused(orders: Outbox) -> None:
    with pytest.raises(InvalidSettings, match="a topic is"):
        config(orders).topic("order placed")


def test_a_topic_is_checked_when_its_first_record_comes_and_not_again(orders: Outbox) -> None:
    numbered(orders, 2)
    made, sink = config(orders), CountingSink()
    records = orders.log.batches_from(1, 1)[0].records()

    for _ in range(2):  # of two threads, or of one that began anew
        made.encoder(sink, orders.log.identity()).encode(records)

    assert sink.asked == [made.topic(records[0].type)]


def test_a_topic_that_was_checked_at_the_start_is_not_checked_when_its_records_come(orders: Outbox) -> None:
    numbered(orders, 1)
    made, sink = config(orders), CountingSink()
    records = orders.log.batches_from(1, 1)[0].records()
    made.check(sink, [made.topic(records[0].type)])
    sink.asked.clear()

    made.encoder(sink, orders.log.identity()).encode(records)

    assert sink.asked == []


def test_a_topic_that_is_missing_does_not_count_as_checked(orders: Outbox) -> None:
    made = config(orders)

    with pytest.raises(TopicMissing):
        made.check(CountingSink([]), ["orders"])

    assert made.checked == set()


def test_to_a_sink_without_transactions_it_delivers_at_least_once(orders: Outbox) -> None:
    assert type(config(orders).delivery(MemorySink(), ALL)) is AtLeastOnce


def test_to_a_sink_with_transactions_it_delivers_exactly_once(orders: Outbox) -> None:
    delivery = config(orders).delivery(MemoryTransactions(), ALL)

    assert isinstance(delivery, ExactlyOnce)


@pytest.mark.parametrize(("native", "kind"), [(True, "compiled"), (False, "Python")])
def test_it_says_which_encoder_it_has(orders: Outbox, monkeypatch: pytest.MonkeyPatch, native: bool, kind: str) -> None:
    monkeypatch.setattr("relay.config.is_native", lambda: native)

    assert config(orders).begins.endswith(f", {kind} encoder)")


def test_the_hint_names_the_command_that_skips_the_message(orders: Outbox) -> None:
    poison = PoisonMessage(7, "65a000000000000000000001", "t", "k", "refused", "it is too large")

    hint = config(orders).hint(poison)

    assert "relay cursor set" in hint
    assert "7" in hint
