"""Acts of a person on a durable reader."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from pymongo.database import Database

from outbox import InvalidName, Outbox, UnknownReader
from outbox.acts.log import ActLog, Person
from outbox.acts.operator import Operator
from outbox.dead_letters.admin import Selection
from relay.testing import MemorySink
from tests.actors.price_service import new_prices, put, refuse, relay, states
from tests.actors.relay_thread import run_once


@pytest.fixture
def prices(database: Database[Any]) -> Iterator[Outbox]:
    """With two dead letters of the relay, a and b."""
    sink = MemorySink()
    refuse(sink, 1, 2)
    with new_prices(database, sequence=False) as prices:
        put(prices, "a", "b")
        run_once(relay(prices, sink, "dead-letter"))
        yield prices


@pytest.fixture
def operator(prices: Outbox) -> Operator:
    return Operator(prices.collections, "relay:kafka", Person("ada", "command"))


def told(prices: Outbox) -> list[tuple[Any, ...]]:
    acts = ActLog(prices.collections).newest()
    return [(act["what"], act["selection"], act["reason"], act["count"]) for act in reversed(acts)]


def test_letters_are_requeued_and_discarded_and_that_is_written(prices: Outbox, operator: Operator) -> None:
    requeued = operator.requeue(Selection(key="a"), "the limit is raised")
    discarded = operator.discard(Selection(type="price.set"), "bought by mistake")

    assert (requeued.letters, discarded) == (1, 2)
    assert states(prices) == {}
    assert told(prices) == [
        ("requeue", {"key": "a"}, "the limit is raised", 1),
        ("discard", {"type": "price.set"}, "bought by mistake", 2),
    ]


def test_a_reader_is_paused_and_resumed_and_that_is_written(prices: Outbox, operator: Operator) -> None:
    operator.pause("Kafka is rebuilt")
    paused = prices.readers()[0].paused
    operator.resume()

    assert (paused, prices.readers()[0].paused) == (True, False)
    assert told(prices) == [("pause", None, "Kafka is rebuilt", None), ("resume", None, None, None)]


def test_a_message_that_cannot_be_put_again_is_in_the_log_with_why(prices: Outbox, operator: Operator) -> None:
    error = {"code": 15, "reason": "nested too deep"}
    prices.collections.dead.update_one({"seq": 1}, {"$set": {"reader": "sequencer", "seq": None, "error": error}})

    operator.requeue(Selection())

    [act] = ActLog(prices.collections).newest()
    assert "nested too deep" in act["refused"][0]


def test_an_act_on_nobody_fails_and_the_log_says_so(prices: Outbox) -> None:
    with pytest.raises(UnknownReader):
        Operator(prices.collections, "relay:other", Person("ada", "command")).pause()
    with pytest.raises(InvalidName):
        Operator(prices.collections, "kafka", Person("ada", "command"))

    [act] = ActLog(prices.collections).newest()
    assert "no durable reader 'relay:other'" in act["error"]
