"""The long day of faults: all side by side, five minutes without the broker and one without a majority. Its metrics are
recorded, and each alert fires on them. It takes eight minutes, and runs when it is asked for:

    OUTBOX_TEST_FAULT_DAY=1 pytest -n0 -m heavy tests/acceptance/test_fault_day_recorded.py
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from pymongo.errors import PyMongoError

from outbox import Record
from outbox.embedded.mongo import EmbeddedMongo
from outbox.metrics import OutboxCollector
from outbox.mongo.lease import Lease
from outbox.shares.paused import set_paused
from tests.acceptance.fault_day import Day, Kafka, Shops, put_large
from tests.acceptance.recorder import Recorder, Samples
from tests.actors.order_service import new_outbox, placed
from tests.actors.price_service import priced
from tests.actors.running import running
from tests.actors.small_log import register
from tests.servers.replica_set import ReplicaSet
from tests.servers.tampered import Tampered
from tests.waiting import wait_until

pytestmark = [
    pytest.mark.heavy,
    pytest.mark.timeout(1200),
    pytest.mark.skipif("OUTBOX_TEST_FAULT_DAY" not in os.environ, reason="it is made by hand, see above"),
]

FILES = Path(__file__).parents[2] / "docs" / "monitoring"
NAME = "alerts_recorded_test.yml"
STEP_SECONDS = 15
BEGINS, MAJORITY_IS_BACK, BROKER_IS_BACK, ENDS = 1, 5, 21, 29
"""The steps at which that happens."""
METRICS = [
    "outbox_build_info", "outbox_dead_letters", "outbox_handled_messages_total", "outbox_held_seconds_total",
    "outbox_lease_held", "outbox_lease_takeovers_total", "outbox_log_capacity_bytes", "outbox_log_head_seq",
    "outbox_reader_headroom_bytes", "outbox_reader_lag_records", "outbox_reader_lag_seconds",
    "outbox_staging_oldest_age_seconds", "relay_broker_errors_total", "relay_delivery_seconds_bucket",
]  # fmt: skip
BESIDE = ("away", "silent", "hung", "late")
"""Faults that leave the shared database as it is."""
ALERTS = {
    "away": {"OutboxReaderLags", "RelayBrokerErrors"},
    "silent": {"OutboxReaderLags"},
    "poison": {"OutboxReaderLags", "OutboxRelayNotAtWork"},
    "parked": {"OutboxDeadLetters"},
    "overrun": {
        "OutboxReaderHolds", "OutboxReaderLags", "OutboxReaderLostHistory", "OutboxReaderNearTheEdge",
        "OutboxStagingGrows",
    },
    "unnumbered": {"OutboxNobodySequences", "OutboxStagingGrows"},
    "disk": {"OutboxDatabaseAway", "OutboxRelayNotAtWork"},
    "majority": {"OutboxDatabaseAway", "OutboxRelayNotAtWork"},
    "hung": {"OutboxRelayNotAtWork"},
    "handler": {"OutboxHandlerFails", "OutboxReaderLags"},
    "flapping": {"OutboxLeaseFlaps"},
    "late": {"RelayDeliversSlowly"},
}  # fmt: skip


class LongDay:
    """All that is looked at, and what befalls it."""

    def __init__(self, day: Day, stack: contextlib.ExitStack) -> None:
        self.day, self.stack, self.stop = day, stack, threading.Event()
        self.shops = Shops(day)
        self.nodes = stack.enter_context(ReplicaSet(election_ms=30_000))
        self.world = Tampered(day.folder, "server")
        with self.world.given():
            server = stack.enter_context(EmbeddedMongo(day.folder / "data"))
        self.outboxes = {
            name: new_outbox(day.database(), sequence=False) for name in ("away", "silent", "hung", "late")
        }
        self.outboxes["disk"] = new_outbox(day.client(server.uri).shop, sequence=False)
        self.outboxes["majority"] = new_outbox(day.client(self.nodes.uri).shop, sequence=False)
        addresses = {"disk": server.uri, "majority": self.nodes.uri}
        self.silent = stack.enter_context(Kafka())
        kafkas = {"away": day.kafka.network.address, "silent": self.silent.network.address}
        self.relays = {}
        for name, orders in self.outboxes.items():
            if name == "silent":
                silent = Day(day.uri, self.silent, stack, day.folder)
                self.relays[name] = silent.relay(orders, kafka=kafkas[name])
            else:
                self.relays[name] = day.relay(orders, mongo=addresses.get(name), kafka=kafkas.get(name))
        self.handled, self.flapping = new_outbox(day.database()), new_outbox(day.database(), sequence=False)
        register(self.flapping, "consumer:flapping", 0)
        service = {
            "poison": self.shops.poison, "parked": self.shops.parked, "overrun": self.shops.full,
            "unnumbered": self.shops.unnumbered, "handler": self.handled, "flapping": self.flapping,
        }  # fmt: skip
        self.registry = CollectorRegistry()
        self.registry.register(OutboxCollector(*service.values()))
        self.faults = {orders.collections.database.name: name for name, orders in service.items()}

    def sources(self) -> dict[str, Callable[[], Samples]]:
        """Who is scraped: each relay, the four together, and this process, which is a service."""
        relays = {name: relay.listening.samples for name, relay in self.relays.items()}
        return {**relays, "shops": self.shops.relay.listening.samples, "service": self._of_service}

    def _of_service(self) -> Samples:
        found: dict[str, dict[frozenset[tuple[str, str]], float]] = {}
        for metric in self.registry.collect():
            for sample in metric.samples:
                found.setdefault(sample.name, {})[frozenset(sample.labels.items())] = sample.value
        return found

    def begin(self) -> None:
        """Everything goes wrong at once."""
        self.day.kafka.network.cut()
        self.silent.refusals.on = True
        self.shops.poison.collections.staging.insert_one(priced("a", float("nan")))
        self.shops.parked.collections.staging.insert_many([priced("a", float("nan")), priced("a", 1.0)])
        self.shops.unnumbered.put(placed(1), standalone=True)
        full = self.shops.full
        put_large(full, 12)
        wait_until(lambda: full.log.head() == 12, 30, "the log to be full")
        register(full, "projection:gone", 0)
        register(full, "consumer:billing", 12)
        put_large(full, 12)
        self.world.fill_disk(full=True)
        for node in self.nodes.secondaries():
            self.nodes.pause(node)
        self.relays["hung"].process.send_signal(signal.SIGSTOP)
        for _ in range(8):
            lease = Lease(self.flapping.collections.leases, "consumer:flapping")
            assert lease.acquire()
            lease.release()

    def broker_is_back(self) -> None:
        self.day.kafka.network.restore()

    def majority_is_back(self) -> None:
        for node in self.nodes.nodes:
            self.nodes.resume(node)

    def write(self) -> None:
        """Puts a message a second where somebody is to wait for it."""
        while not self.stop.wait(1):
            for name in ("away", "silent", "late"):
                with contextlib.suppress(PyMongoError):
                    self.outboxes[name].put(placed(1), standalone=True)

    def be_late(self) -> None:
        """The relay is paused most of the time: so it delivers, and slowly."""
        collections = self.outboxes["late"].collections
        while not self.stop.is_set():
            set_paused(collections, "relay:kafka", True)
            self.stop.wait(16)
            set_paused(collections, "relay:kafka", False)
            self.stop.wait(4)


@pytest.fixture
def stack() -> Iterator[contextlib.ExitStack]:
    with contextlib.ExitStack() as stack:
        yield stack


def fails(_: Record[Any]) -> None:
    raise ValueError("the handler fails")


def test_each_alert_fires_on_what_was_recorded(mongo_uri: str, stack: contextlib.ExitStack, tmp_path: Path) -> None:
    long = LongDay(Day(mongo_uri, stack.enter_context(Kafka()), stack, tmp_path), stack)
    recorder = Recorder(METRICS, long.faults)
    long.handled.put(placed(1), standalone=True)
    stack.enter_context(running(long.handled.consumer("billing", attempts=None), fails))
    threads = [threading.Thread(target=work, daemon=True) for work in (long.write, long.be_late)]
    for thread in threads:
        thread.start()
    happens = {
        BEGINS: long.begin,
        MAJORITY_IS_BACK: long.majority_is_back,
        BROKER_IS_BACK: long.broker_is_back,
    }
    began = time.monotonic()
    sources = long.sources()
    with ThreadPoolExecutor(len(sources)) as pool:
        for step in range(ENDS):
            wait_until(lambda: time.monotonic() >= began + step * STEP_SECONDS, 2 * STEP_SECONDS, "the next step")  # noqa: B023
            for instance, found in zip(sources, pool.map(scraped, sources.values()), strict=True):
                recorder.note(step, instance, found)
            happens.get(step, lambda: None)()
    long.stop.set()
    long.relays["hung"].process.send_signal(signal.SIGCONT)
    for thread in threads:
        thread.join()
    (FILES / NAME).write_text(recorder.written(NAME, STEP_SECONDS, ALERTS), encoding="utf-8")

    tested = subprocess.run(
        ["promtool", "test", "rules", NAME],
        cwd=FILES,
        capture_output=True,
        text=True,
        check=False,
    )
    assert tested.returncode == 0, tested.stdout + tested.stderr


def scraped(source: Callable[[], Samples]) -> Samples:
    """What a process gives within the time that Prometheus has for it; nothing when it does not answer."""
    try:
        return source()
    except OSError:
        return {}
