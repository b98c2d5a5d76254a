"""A day of faults: within ten seconds each is seen in metrics, probes, log, status and doctor, with what to do."""

from __future__ import annotations

import contextlib
import signal
import sys
from collections.abc import Iterator

import pytest

from outbox.embedded.mongo import EmbeddedMongo
from tests.acceptance.fault_day import Day, Kafka, Shops, pass_time, put_large
from tests.actors.order_service import new_outbox, placed
from tests.actors.price_service import priced
from tests.actors.small_log import register
from tests.servers.kafka_jars import KafkaUnavailable
from tests.servers.replica_set import ReplicaSet
from tests.servers.tampered import NoCompiler, Tampered
from tests.servers.unavailable import unavailable
from tests.waiting import wait_until

pytestmark = [
    pytest.mark.heavy,
    pytest.mark.timeout(240),
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="freezes processes, and fills a disk"),
]

CLOSED_AN_HOUR = 6
"""So often a broker closes a connection that rests: that is what an hour at rest has."""
MOST_LINES = 20
LAG = "outbox_reader_lag_seconds"
WAITS = r'"lag_seconds": [1-9]'


@pytest.fixture(scope="module")
def stack() -> Iterator[contextlib.ExitStack]:
    with contextlib.ExitStack() as stack:
        yield stack


@pytest.fixture(scope="module")
def kafka(stack: contextlib.ExitStack) -> Kafka:  # type: ignore[override]
    """A broker of the day's own."""
    try:
        return stack.enter_context(Kafka())
    except KafkaUnavailable as error:
        unavailable("Kafka of the test's own", error)


@pytest.fixture(scope="module")
def day(mongo_uri: str, kafka: Kafka, stack: contextlib.ExitStack, tmp_path_factory: pytest.TempPathFactory) -> Day:
    return Day(mongo_uri, kafka, stack, tmp_path_factory.mktemp("day"))


def test_a_broker_that_is_away(day: Day) -> None:
    orders = new_outbox(day.database(), sequence=False)
    relay = day.relay(orders, kafka=day.kafka.network.address)

    day.kafka.network.cut()
    orders.put(placed(1), standalone=True)

    relay.shows(
        orders,
        metrics=lambda: max(relay.metric(LAG)) > 1 and any(relay.metric("relay_broker_errors_total")),
        ready=r"Kafka at \S+ does not answer",
        log=r"Kafka at \S+: since \d\d:\d\d:\d\d UTC, for \d s, .+The relay goes on trying, and nothing is lost",
        status=WAITS,
        doctor=r"serious: Kafka at .+ \| nothing is delivered until it does \| check --kafka.+kafka-broker-api",
    )
    assert relay.health(orders) == ""
    assert relay.alive(orders) == "alive\n"
    day.kafka.network.restore()
    relay.wait_until_ready()


def test_a_broker_that_acknowledges_nothing(day: Day) -> None:
    orders = new_outbox(day.database(), sequence=False)
    relay = day.relay(orders, kafka=day.kafka.network.address)

    day.kafka.refusals.on = True
    orders.put(placed(1), standalone=True)

    relay.shows(
        orders,
        metrics=lambda: max(relay.metric(LAG)) > 1,
        ready="it has acknowledged nothing",
        log=r"since \d\d:\d\d:\d\d UTC, for \d s, it has acknowledged nothing: .*min\.insync\.replicas",
        status=WAITS,
        doctor=r"note: the next record of relay 'kafka' has waited for .+its log output says which",
    )
    assert relay.health(orders) == ""
    assert relay.alive(orders) == "alive\n"


@pytest.fixture(scope="module")
def shops(day: Day) -> Shops:
    return Shops(day)


def test_poison_that_stops_a_relay(shops: Shops) -> None:
    orders, relay = shops.poison, shops.relay

    orders.collections.staging.insert_one(priced("a", float("nan")))

    relay.shows(
        orders,
        metrics=lambda: shops.of(orders, "outbox_lease_held", role="relay:kafka") == 0,
        ready=r"it has stopped, its log output and `relay status` say why",
        log=r"has stopped until this process is started again.+cannot be delivered(.|\n)+relay cursor set",
        health="relay 'kafka' has stopped: .+cannot be delivered",
        status=r'"why": ".+cannot be delivered',
        doctor=r"serious: relay 'kafka' has stopped at .+cannot be delivered.+--on-poison park-key",
    )
    assert relay.alive(orders) == "alive\n"


def test_a_key_that_is_parked(shops: Shops) -> None:
    orders, relay = shops.parked, shops.relay

    orders.collections.staging.insert_many([priced("a", float("nan")), priced("a", 1.0)])

    relay.shows(
        orders,
        metrics=lambda: shops.of(orders, "outbox_dead_letters", reader="relay:kafka", state="parked") == 1,
        log="dead-lettered: .+`relay dead requeue [0-9a-f]{24} --name kafka` sends it again",
        status='"dead": 1, "parked": 1',
        doctor=r"note: 1 message\(s\) are dead letters, 1 wait behind them \| .+outbox dead APP list",
    )
    assert orders.collections.database.name not in relay.ready(orders)


def test_readers_that_were_overrun_and_that_hold_the_log(shops: Shops) -> None:
    orders, relay = shops.full, shops.relay
    put_large(orders, 12)
    wait_until(lambda: orders.log.head() == 12 and orders.log.oldest() > 1, 30, "the log to roll over")
    register(orders, "projection:gone", 0)
    register(orders, "consumer:billing", 12)

    put_large(orders, 12)

    relay.shows(
        orders,
        metrics=lambda: (
            shops.of(orders, "outbox_reader_headroom_bytes", reader="projection:gone") == 0
            and shops.of(orders, "outbox_held_seconds_total", reader="consumer:billing") > 0
        ),
        log=r"full of what reader 'consumer:billing' has not read yet.+Get it going, or enlarge .+, or give it up",
        status='"held": {"reader": "consumer:billing"',
        doctor=r"serious: what projection:gone would read next, seq 1, is gone(.|\n)+nobody works for cons",
    )
    assert "the sequencer waits for consumer:billing" in relay.doctor(orders)


def test_messages_that_nobody_numbers(shops: Shops) -> None:
    orders, relay = shops.unnumbered, shops.relay

    orders.put(placed(1), standalone=True)

    relay.shows(
        orders,
        metrics=lambda: (
            shops.of(orders, "outbox_staging_oldest_age_seconds") > 3
            and shops.of(orders, "outbox_lease_held", role="sequencer") == 0
        ),
        log="no process numbers them, so none arrives: start `relay run`",
        health="no process numbers them, so none arrives.+`outbox sequence APP --keep`",
        status='"staging": 1',
        doctor=r"serious: 1 message\(s\) wait, and no process numbers them \| .+`relay run",
    )


def test_a_full_disk(day: Day, stack: contextlib.ExitStack) -> None:
    try:
        world = Tampered(day.folder, "server")
    except NoCompiler as error:
        unavailable("full disk", error)
    with world.given():
        server = stack.enter_context(EmbeddedMongo(day.folder / "data"))
    client = day.client(server.uri)
    orders = new_outbox(client.shop, sequence=False)
    relay = day.relay(orders, mongo=server.uri)

    world.fill_disk(full=True)

    relay.shows(
        orders,
        metrics=lambda: not relay.metric("outbox_log_head_seq") and relay.metric("outbox_lease_held") == [0, 0],
        ready=r"MongoDB does not answer \(the primary, its disk, the network\?\)",
        log=r"relay 'kafka' of shop.outbox: .+again in",
        health="MongoDB does not answer",
        status="MongoDB does not answer",
        doctor="serious: this check failed",
    )
    assert relay.alive(orders) == "alive\n"


def test_a_majority_that_is_away(day: Day, stack: contextlib.ExitStack) -> None:
    nodes = stack.enter_context(ReplicaSet(election_ms=30_000))  # so long the primary goes on alone
    client = day.client(nodes.uri)
    orders = new_outbox(client.shop, sequence=False)
    relay = day.relay(orders, mongo=nodes.uri)

    for node in nodes.secondaries():
        nodes.pause(node)

    relay.shows(
        orders,
        metrics=lambda: relay.metric("outbox_lease_held", role="relay:kafka") == [0],
        ready=r"no majority of MongoDB's nodes has confirmed anything for \d+ s.+rs.status\(\) says which",
        log=r"the lease '(relay:kafka|sequencer)': since \d\d:\d\d:\d\d UTC a majority of the servers is slow",
        health="no majority of MongoDB's nodes has confirmed anything.+rs.status",
        status=r'"silent_seconds": ([3-9]|1\d)',
        doctor=r"serious: no majority of the nodes has confirmed anything for .+rs.status",
    )
    assert relay.alive(orders) == "alive\n"


def test_a_process_that_rests_says_nothing_and_one_that_hangs_is_seen(day: Day) -> None:
    orders = new_outbox(day.database(), sequence=False)
    relay = day.relay(orders, kafka=day.kafka.network.address)
    began = len(relay.command.log.splitlines())
    for _ in range(CLOSED_AN_HOUR):
        day.kafka.network.cut()
        day.kafka.network.restore()
        pass_time(1)
    assert len(relay.command.log.splitlines()) - began < MOST_LINES, relay.command.log

    relay.process.send_signal(signal.SIGSTOP)

    relay.shows(
        orders,
        alive="no answer",
        health=r"relay 'kafka' \(\S+\) gave no sign of life for 3 s",
        health_self=r"has given no sign of life for \d+ s",
        status=r'"silent_seconds": ([3-9]|1\d)',
        doctor=r"serious: \S+, which works for relay 'kafka', has given no sign of life for .+start it again",
    )
