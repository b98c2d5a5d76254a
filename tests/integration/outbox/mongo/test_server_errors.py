"""Errors that a server answers for a moment: relays, sequencers, subscribers and commands go on after them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.database import Database
from pymongo.errors import OperationFailure

from outbox import Outbox
from outbox.clock import SystemClock
from outbox.dead_letters.admin import Selection
from outbox.shares.cursor_admin import forget, move
from outbox.shares.layout import load, request_shares
from relay import Relay
from relay.monitoring.status import relay_status
from relay.testing import MemorySink
from tests.actors.answers import answering
from tests.actors.order_service import new_outbox, placed
from tests.actors.price_service import PriceSet, dead_letter_admin, new_prices, put, refuse
from tests.actors.relay_thread import Relaying, run_once, saved_seq, seqs
from tests.actors.subscriber import Subscriber
from tests.waiting import wait_until

Document = dict[str, Any]
APP = "a client of a moody server"
COMMANDS = (
    "aggregate", "collMod", "collStats", "commitTransaction", "delete", "distinct", "find", "findAndModify", "getMore",
    "insert", "listCollections", "update",
)  # fmt: skip
# One of each kind, of those that no server answers with a label: Interrupted, as by killOp, first.
CODES = (11601, 11602, 237, 365, 290, 251, 24, 46, 112, 117, 64, 91, 225, 239, 262, 314, 391, 462, 9001, 14031)
LASTING = (2, 13, 20)


@pytest.fixture
def client(mongo_uri: str) -> Iterator[MongoClient[Document]]:
    with MongoClient[Document](mongo_uri, appname=APP, heartbeatFrequencyMS=500) as client:
        yield client


@pytest.fixture
def moody(client: MongoClient[Document], database: Database[Document]) -> Database[Document]:
    """The test's database through a client that alone meets the errors."""
    return client[database.name]


@pytest.fixture
def orders(moody: Database[Document]) -> Iterator[Outbox]:
    with new_outbox(moody) as orders:
        yield orders


@pytest.fixture
def calm(database: Database[Document], orders: Outbox) -> Iterator[Outbox]:
    """The same outbox through a client that meets nothing, to look with."""
    with Outbox(database, sequence=False) as calm:
        yield calm


@pytest.mark.parametrize("code", CODES)
def test_a_relay_a_sequencer_and_a_subscriber_go_on(
    mongo: MongoClient[Document], orders: Outbox, calm: Outbox, code: int
) -> None:
    sink, subscriber = MemorySink(), Subscriber()
    orders.put([placed(total) for total in range(20)], standalone=True)

    with answering(mongo, APP, COMMANDS, 6, errorCode=code), Relaying(Relay(orders, sink, chance=lambda: 0.0)):
        subscription = orders.observe("earliest").subscribe(subscriber)
        subscriber.sees(*range(20))
        wait_until(lambda: saved_seq(calm) == 20, 30, "all to be delivered")
    subscription.dispose()

    assert subscriber.errors == []
    assert list(dict.fromkeys(seqs(sink))) == list(range(1, 21))


@pytest.mark.parametrize("command", ["find", "findAndModify", "insert", "update", "listCollections", "collMod"])
@pytest.mark.parametrize("shares", [1, 2])
def test_whichever_of_its_commands_meets_it(
    mongo: MongoClient[Document], orders: Outbox, command: str, shares: int
) -> None:
    sink = MemorySink()
    orders.put([placed(total, order_id=str(total)) for total in range(20)], standalone=True)
    relay = Relay(orders, sink, shares=shares, chance=lambda: 0.0)

    with answering(mongo, APP, [command], 3, errorCode=11601), Relaying(relay):
        wait_until(lambda: set(seqs(sink)) == set(range(1, 21)), 30, "all to be delivered")


@pytest.mark.parametrize("policy", ["dead-letter", "park-key"])
@pytest.mark.parametrize("command", ["commitTransaction", "distinct", "find", "insert", "update"])
def test_also_while_it_puts_poison_aside(
    mongo: MongoClient[Document], moody: Database[Document], database: Database[Document], command: str, policy: Any
) -> None:
    sink = MemorySink()
    with new_prices(moody) as prices, Outbox(database, sequence=False) as calm:
        ids = put(prices, "a", "b", "a")
        refuse(sink, 1)
        times = 0 if (command, policy) == ("distinct", "dead-letter") else 2
        relay = Relay(prices, sink, on_poison=policy, chance=lambda: 0.0)
        with answering(mongo, APP, [command], times, errorCode=11601), Relaying(relay):
            wait_until(lambda: saved_seq(calm) == 3, 60, "the poison to be put aside")

        letters = dead_letter_admin(prices).letters(Selection())

    assert ids[0] in {each["_id"] for each in letters}


@pytest.mark.parametrize("code", LASTING)
def test_a_relay_ends_at_what_lasts_with_the_servers_words(
    mongo: MongoClient[Document], orders: Outbox, code: int
) -> None:
    relaying = Relaying(Relay(orders, MemorySink(), chance=lambda: 0.0))

    with answering(mongo, APP, ["findAndModify"], errorCode=code), contextlib.suppress(OperationFailure), relaying:
        wait_until(lambda: relaying.ended, 60, "the relay to end")

    assert isinstance(relaying.error, OperationFailure)
    assert relaying.error.code == code


def test_a_subscriber_ends_at_what_lasts(mongo: MongoClient[Document], orders: Outbox) -> None:
    subscriber = Subscriber()

    with answering(mongo, APP, ["find"], errorCode=13):
        orders.observe("earliest").subscribe(subscriber)
        wait_until(lambda: subscriber.errors, 30, "the subscriber to be told")

    assert [getattr(each, "code", None) for each in subscriber.errors] == [13]


ASKED_ONCE: dict[str, Callable[[Outbox], object]] = {
    "create": lambda orders: orders.create(),
    "types": lambda orders: orders.types(),
    "status": lambda orders: orders.status().head,
    "relay status": lambda orders: relay_status(orders, "kafka").head,
    "read": lambda orders: [each.seq for each in orders.read()],
    "sequence": lambda orders: orders.sequence(),
    "relay cursor set": lambda orders: move(orders.collections, "relay:kafka", 1, SystemClock())[1][0],
    "relay cursor forget": lambda orders: forget(orders.collections, "relay:kafka", SystemClock()),
    "relay dead list": lambda orders: [each["seq"] for each in dead_letter_admin(orders).letters(Selection())],
    "relay dead requeue": lambda orders: dead_letter_admin(orders).requeue(Selection()).letters,
    "relay dead discard": lambda orders: dead_letter_admin(orders).discard(Selection()),
    "drop": lambda orders: orders.drop(),
}


@pytest.mark.parametrize("code", [11601, 10107])
@pytest.mark.parametrize("asked", ASKED_ONCE.values(), ids=ASKED_ONCE.keys())
def test_what_is_asked_once_is_answered_all_the_same(
    mongo: MongoClient[Document], moody: Database[Document], asked: Callable[[Outbox], object], code: int
) -> None:
    def answer(name: str) -> object:
        """Of an outbox with a relay, a dead letter, and a message that is not numbered yet."""
        sink = MemorySink()
        with new_prices(moody, name, sequence=False) as prices:
            put(prices, "a", "b", "a")
            refuse(sink, 1)
            run_once(Relay(prices, sink, on_poison="park-key", chance=lambda: 0.0))
            prices.put(PriceSet(sku="c", price=1.0), standalone=True)
            with contextlib.nullcontext() if name == "calm" else answering(mongo, APP, COMMANDS, 3, errorCode=code):
                return asked(prices)

    assert answer("moody") == answer("calm")


def test_the_number_of_shares_is_changed(mongo: MongoClient[Document], orders: Outbox, calm: Outbox) -> None:
    sink = MemorySink()
    orders.put([placed(total, order_id=str(total)) for total in range(20)], standalone=True)
    run_once(Relay(orders, sink))

    request_shares(orders.collections, "relay:kafka", 3)
    with answering(mongo, APP, COMMANDS, 6, errorCode=11601), Relaying(Relay(orders, sink, chance=lambda: 0.0)):
        wait_until(lambda: load(calm.collections, "relay:kafka").shares == 3, 60, "the relay to have three shares")
