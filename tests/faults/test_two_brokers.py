"""Two brokers of one cluster, one of them down, and a topic that wants two replicas in sync: no proxy in between."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest
from confluent_kafka.cimpl import NewTopic
from pymongo.database import Database

from outbox import Outbox
from relay import Relay
from relay.encoding.topics import Topics
from relay.kafka.sink import KafkaSink
from relay.kafka.transactional_sink import KafkaTransactions
from tests.actors.consumer import header, read_topic
from tests.actors.order_service import new_outbox, placed
from tests.actors.relay_thread import Relaying, saved_seq
from tests.servers.kafka import KafkaBroker, admin_client
from tests.servers.kafka_jars import KafkaUnavailable
from tests.servers.unavailable import unavailable
from tests.waiting import wait_until

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(300)]

PATIENCE_SECONDS = 120.0
KEYS = 5


@pytest.fixture
def first() -> Iterator[KafkaBroker]:
    """A cluster of its own for each test: the state of transactions is partly on the other broker, and goes with it."""
    with contextlib.ExitStack() as stack:
        try:
            broker = stack.enter_context(KafkaBroker())
        except KafkaUnavailable as error:
            unavailable("Kafka of the test's own", error)
        yield broker


@pytest.fixture
def second(first: KafkaBroker) -> Iterator[KafkaBroker]:
    """The other broker of the cluster: to be stopped and killed."""
    with KafkaBroker(joining=first) as broker:
        wait_until(lambda: len(admin_client(broker.bootstrap).list_topics(timeout=10).brokers) == 2, 60, "two brokers")
        yield broker


@pytest.fixture
def orders(database: Database[dict[str, Any]]) -> Iterator[Outbox]:
    with new_outbox(database, capacity="16 MiB", sequence=False) as orders:
        yield orders


def create(brokers: list[KafkaBroker], name: str, **settings: str) -> None:
    """A topic with two replicas that takes nothing while fewer are in sync; each of the brokers knows it."""
    new = NewTopic(name, 2, 2, config={"min.insync.replicas": "2", **settings})
    admin = admin_client(brokers[0].bootstrap)
    admin.create_topics([new])[name].result(30)
    for broker in brokers:  # a client that has just begun asks the one it was told of
        wait_until(lambda: in_sync(broker.bootstrap, name) == 2, 60, f"replicas of {name}")  # noqa: B023  # called at once


def in_sync(bootstrap: str, name: str) -> int:
    """How many replicas each of the topic's partitions has in sync, at least; 0 while that is not known."""
    topic = admin_client(bootstrap).list_topics(timeout=30).topics.get(name)
    return 0 if topic is None else min((len(each.isrs) for each in topic.partitions.values()), default=0)


def put(orders: Outbox, count: int) -> int:
    """Returns the log's head."""
    orders.put([placed(total, order_id=str(total % KEYS)) for total in range(count)], standalone=True)
    orders.sequence()
    return orders.log.head()


@pytest.mark.parametrize("exactly_once", [False, True], ids=["at least once", "exactly once"])
@pytest.mark.parametrize("end", [KafkaBroker.stop, KafkaBroker.kill], ids=["stopped", "killed"])
def test_a_relay_waits_while_too_few_replicas_are_in_sync_and_loses_nothing(
    orders: Outbox,
    first: KafkaBroker,
    second: KafkaBroker,
    topic_name: str,
    end: Any,
    exactly_once: bool,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Goes red when NOT_ENOUGH_REPLICAS is taken for an error that does not pass, or for an acknowledgement."""
    both = f"{first.bootstrap},{second.bootstrap}"
    create([first, second], topic_name)
    sink = KafkaSink(both)
    if exactly_once:
        create([first, second], f"{topic_name}.cursors", **{"cleanup.policy": "compact"})
        sink = KafkaTransactions(both, cursors=f"{topic_name}.cursors")
    relay = Relay(orders, sink, topics=Topics(topic_name), chance=lambda: 0.0)
    with Relaying(relay) as relaying:
        head = put(orders, 20)
        wait_until(lambda: relaying.ended or saved_seq(orders) == head, PATIENCE_SECONDS, "the first to be delivered")
        assert not relaying.ended, relaying.error
        end(second)
        wait_until(lambda: in_sync(first.bootstrap, topic_name) == 1, PATIENCE_SECONDS, "one replica to be left")
        waiting = put(orders, 20)
        # The last two when it has lost its lease meanwhile, on a busy machine: it needs the other broker to go on.
        silent = ("acknowledged nothing", "cannot be taken over yet", f"{topic_name}.cursors could not be read")
        wait_until(
            lambda: relaying.ended or any(each in caplog.text for each in silent) or saved_seq(orders) != head,
            PATIENCE_SECONDS,
            "the relay to say so",
        )
        assert not relaying.ended, relaying.error
        assert saved_seq(orders) == head, "something counts as delivered that only one broker has"
        second.start()
        wait_until(lambda: relaying.ended or saved_seq(orders) == waiting, PATIENCE_SECONDS, "the rest")

    found = read_topic(both, topic_name, lambda messages: len({header(each, "seq") for each in messages}) == waiting)
    assert sorted({int(header(each, "seq")) for each in found}) == list(range(1, waiting + 1))
    for key in {each.key() for each in found}:
        mine = list(dict.fromkeys(int(header(each, "seq")) for each in found if each.key() == key))
        assert mine == sorted(mine), f"{key!r} is out of order"
    if exactly_once:
        assert len(found) == waiting
