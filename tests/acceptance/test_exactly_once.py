"""A relay that delivers in transactions is killed at any moment; who reads committed sees each message once."""

from __future__ import annotations

import os
import random
import time

import pytest

from outbox.log.reader_id import relay_id
from outbox.mongo.lease import read_lease
from tests.acceptance.conftest import Start
from tests.acceptance.ledger import Ledger, duplicates
from tests.acceptance.process import Process
from tests.acceptance.topic import Topic
from tests.waiting import wait_until

KILLS = int(os.environ.get("OUTBOX_TEST_KILLS", "15"))
SEED = int(os.environ.get("OUTBOX_TEST_SEED", "5"))
WRITERS = 4
RATE = 100
A_RECORD_A_REQUEST = ("--set", "batch.num.messages=1")  # slow enough to be caught in the middle
ZOMBIE_LEASE_SECONDS = 4  # long enough for a busy machine, where one at work may be slow to beat
LONGEST_SECONDS = 1.5
"""From when a relay has the lease until it is killed: so also while it takes over."""


def relay_arguments(ledger: Ledger, mongo_uri: str, topic: Topic, lease_seconds: float) -> tuple[object, ...]:
    place = ("--mongo", mongo_uri, "--database", ledger.database.name, "--kafka", topic.bootstrap)
    more = ("--topic", topic.name, "--exactly-once", "--create-topic", "partitions=3,replication=1")
    return "relay_with", "--lease", lease_seconds, "run", *place, *more


def at_work(ledger: Ledger, relays: list[Process]) -> Process | None:
    """The one that has the lease."""
    assert all(relay.exit_code is None for relay in relays), [relay.said()[-3000:] for relay in relays]
    lease = read_lease(ledger.collections.leases, relay_id("kafka"))
    owner = "" if lease is None else str(lease["owner"])
    return next((relay for relay in relays if f":{relay.pid}:" in owner), None)


def kill(ledger: Ledger, relay: Process) -> None:
    """And gives its lease back, so that the next one need not wait for it to run out."""
    relay.kill()
    assert relay.exit_code == -9, relay.said()
    ledger.collections.leases.update_one(
        {"_id": relay_id("kafka"), "owner": {"$regex": f":{relay.pid}:"}},
        {"$set": {"owner": None}, "$inc": {"beat": 1}},
    )


@pytest.mark.heavy
@pytest.mark.timeout(300 + 40 * KILLS)
@pytest.mark.parametrize("seed", [SEED])
def test_a_relay_killed_at_random_delivers_each_message_once_to_who_reads_committed(
    ledger: Ledger, mongo_uri: str, ledger_topic: Topic, start: Start, seed: int
) -> None:
    ledger.create()
    place = (mongo_uri, ledger.database.name)
    sequencer = start("sequence", *place, "--lease", 10)  # else most kills would find nothing to relay
    wait_until(lambda: "sequencing" in sequencer.said(), 60, "the sequencer")
    writers = [start("write", *place, "--rate", RATE, "--seed", each) for each in range(WRITERS)]
    relay = (*relay_arguments(ledger, mongo_uri, ledger_topic, 10), *A_RECORD_A_REQUEST)
    chance = random.Random(seed)

    relays = [start(*relay)]
    for kills in range(4 * KILLS):
        if kills >= KILLS and duplicates(ledger_topic.records("read_uncommitted")) > 0:
            break  # else chance has met none in the middle of a transaction, as on a busy machine, where few are
        relays.append(start(*relay))
        running = wait_until(lambda: at_work(ledger, relays), 60, "one of them to have the lease")
        moment = time.monotonic() + chance.uniform(0, LONGEST_SECONDS)
        wait_until(lambda: time.monotonic() >= moment, 10, "the moment to kill")  # noqa: B023
        relays.remove(running)
        kill(ledger, running)

    for each in relays:
        kill(ledger, each)
    for writer in writers:
        writer.stop()
    sequencer.stop()
    start(*relay, "--once").succeed(240)
    seen = ledger_topic.records("read_committed")
    assert ledger.faults(ledger.written(writers), seen) == []
    assert duplicates(seen) == 0
    assert duplicates(ledger_topic.records("read_uncommitted")) > 0, "nothing was aborted, so nothing was at stake"


@pytest.mark.timeout(400)
def test_a_relay_that_does_not_know_that_its_time_is_over_is_fenced_by_the_broker(
    ledger: Ledger, mongo_uri: str, ledger_topic: Topic, start: Start
) -> None:
    """Frozen at work, and woken with no eye for its lease and its cursor: only Kafka can refuse it."""
    ledger.create()
    writer = start("write", mongo_uri, ledger.database.name, "--rate", RATE, "--seed", 1)
    relay = relay_arguments(ledger, mongo_uri, ledger_topic, ZOMBIE_LEASE_SECONDS)
    zombie = start("relay_with", "--blind", *relay[1:])
    wait_until(lambda: ledger_topic.end() > 100, 60, "the first to deliver")
    successor = start(*relay)
    wait_until(lambda: "stands by" in successor.said(), 60, "the second to stand by")

    zombie.go_on()
    wait_until(lambda: "blind" in zombie.said(), 60, "it to go blind")
    zombie.pause()
    wait_until(lambda: "relaying after" in successor.said(), 60, "the second to take over")
    zombie.resume()
    wait_until(lambda: "stands by" in zombie.said(), 60, "the zombie to stand by")

    zombie.kill()
    writer.stop()
    assert "fenced by a newer" in zombie.said() or "an old epoch" in zombie.said()
    successor.stop()
    start(*relay, "--once").succeed(240)
    seen = ledger_topic.records()
    assert ledger.faults(ledger.written([writer]), seen) == []
    assert duplicates(seen) == 0
