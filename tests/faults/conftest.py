"""What the tests of faults share: the ledger of the acceptance tests, and a broker that is reached through a proxy."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from tests.acceptance.conftest import Start, ledger, ledger_topic, start
from tests.acceptance.ledger import Ledger
from tests.acceptance.topic import PARTITIONS, Topic
from tests.faults.service import Service
from tests.servers.kafka import KafkaBroker, create_topic
from tests.servers.kafka_jars import KafkaUnavailable
from tests.servers.proxy import Proxy
from tests.servers.unavailable import unavailable

__all__ = ["far", "far_service", "far_topic", "ledger", "ledger_topic", "service", "start"]


class Far(NamedTuple):
    """A broker of a test module's own; whoever is given `network.address` reaches it through the proxy only."""

    broker: KafkaBroker
    network: Proxy


@pytest.fixture(scope="module")
def _far() -> Iterator[Far]:
    try:
        broker = KafkaBroker()
    except KafkaUnavailable as error:
        unavailable("Kafka of the test's own", error)
    with contextlib.closing(broker), Proxy(broker.far_port) as network:
        broker.far_address = network.address
        broker.start()
        yield Far(broker, network)


@pytest.fixture
def far(_far: Far) -> Iterator[Far]:
    """The broker behind the proxy, all well again after each test."""
    yield _far
    _far.network.restore()


@pytest.fixture
def far_topic(far: Far, topic_name: str) -> Iterator[Topic]:
    """A new, empty topic for the ledger's entries on that broker; itself it is near."""
    create_topic(far.broker.bootstrap, topic_name, PARTITIONS)
    with contextlib.closing(Topic(far.broker.bootstrap, topic_name)) as topic:
        yield topic


@pytest.fixture
def service(ledger: Ledger, mongo_uri: str, ledger_topic: Topic, start: Start) -> Service:
    """Accounts, an outbox and an empty topic; nobody is at work yet."""
    return Service(ledger, mongo_uri, ledger_topic, start)


@pytest.fixture
def far_service(ledger: Ledger, mongo_uri: str, far_topic: Topic, start: Start) -> Service:
    """The same with the topic on the broker behind the proxy."""
    return Service(ledger, mongo_uri, far_topic, start)
