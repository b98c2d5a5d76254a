"""The only broker is away, or hangs, while messages keep coming."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from tests.acceptance.conftest import Start
from tests.acceptance.ledger import Ledger, disorder
from tests.acceptance.process import Process
from tests.acceptance.topic import Topic
from tests.servers.kafka import KafkaBroker
from tests.waiting import wait_until

pytestmark = pytest.mark.heavy

OUTAGE_SECONDS = 20.0
WRITERS = 2


@pytest.fixture
def kafka(broker: KafkaBroker) -> str:
    """The ledger's topic is on that broker."""
    return broker.bootstrap


class Load:
    """Writers and a relay at work."""

    def __init__(self, ledger: Ledger, uri: str, topic: Topic, start: Start, *settings: object) -> None:
        self._ledger, self._topic = ledger, topic
        ledger.create()
        place = (uri, ledger.database.name)
        self.writers = [start("write", *place, "--rate", 75, "--seed", seed) for seed in range(WRITERS)]
        to = ("--mongo", uri, "--database", ledger.database.name, "--kafka", topic.bootstrap, "--topic", topic.name)
        self.relay: Process = start("relay_with", "--lease", 10, *settings, "run", *to)
        self.wait_until_delivering(200)

    def wait_until_delivering(self, records: int) -> None:
        enough = self._topic.end() + records
        wait_until(lambda: self._topic.end() >= enough, 60, f"{records} more records in Kafka")

    def stop(self) -> None:
        """The writers end, the relay delivers the rest."""
        for writer in self.writers:
            writer.stop()
        head = wait_until(lambda: self._ledger.staged() == 0 and self._ledger.head(), 30, "an empty staging")
        cursors = self._ledger.collections.cursors
        wait_until(lambda: cursors.find_one({"seq": head}), 60, "the relay to be at the head")
        self.relay.stop()


@pytest.mark.parametrize(
    ("goes", "returns"),
    [(KafkaBroker.stop, KafkaBroker.start), (KafkaBroker.pause, KafkaBroker.resume)],
    ids=["stopped", "frozen"],
)
def test_nothing_is_lost_or_overtaken_while_the_broker_is_away(
    ledger: Ledger,
    mongo_uri: str,
    broker: KafkaBroker,
    ledger_topic: Topic,
    start: Start,
    goes: Callable[[KafkaBroker], None],
    returns: Callable[[KafkaBroker], None],
) -> None:
    """Watches over the endless message timeout, and over waiting for a broker instead of exiting."""
    load = Load(ledger, mongo_uri, ledger_topic, start)

    head = ledger.head()
    goes(broker)
    _let_pass(OUTAGE_SECONDS)
    assert ledger.head() > head + 500, "there was hardly any load"
    returns(broker)

    load.wait_until_delivering(1000)
    load.stop()
    assert ledger.faults(ledger.written(load.writers), ledger_topic.records()) == []


def test_with_a_finite_message_timeout_later_records_overtake(
    ledger: Ledger, mongo_uri: str, broker: KafkaBroker, ledger_topic: Topic, start: Start
) -> None:
    """The same, with the endless timeout taken out: a key's order is lost."""
    load = Load(ledger, mongo_uri, ledger_topic, start, "--message-timeout", 1000)

    for turn in range(20):
        broker.pause()
        _let_pass(1 + 0.1 * turn)  # about the timeout: then some records have timed out, and some have not
        broker.resume()
        load.wait_until_delivering(50)
        if disorder("Kafka", ledger_topic.records()):
            return
    pytest.fail("no record was overtaken")


def _let_pass(seconds: float) -> None:
    """An outage is a matter of time alone."""
    since = time.monotonic()
    wait_until(lambda: time.monotonic() - since > seconds, 2 * seconds, "time to pass")
