"""Runs the demo: servers, an order service, an Observable, and the relay as a process of its own."""

from __future__ import annotations

import contextlib
import shlex
import signal
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pymongo
from pymongo import MongoClient

import relay
from outbox import Outbox, Record
from outbox.clock import SystemClock
from outbox.embedded.child_process import ChildProcess
from outbox.embedded.mongo import EmbeddedMongo
from relay.connection import CONNECT_SECONDS, connected
from relay.demo.broker import MockBroker, delete_topic, read_back
from relay.demo.display import Counts, Display
from relay.demo.report import Check, Report, Seen, examine
from relay.demo.shop import MESSAGES, Shop
from relay.errors import RelayError
from relay.kafka.sink import KafkaSink

_STALL_SECONDS = 20.0
_POLL_SECONDS = 0.1

# The relay as its script starts it, wherever the packages lie, and without this terminal's settings for a real one.
_RELAY = """
import os, sys
sys.path.append(sys.argv.pop(1))
for name in [each for each in os.environ if each.startswith("RELAY_")]:
    del os.environ[name]
from relay.cli import main
main()
"""


class RelayEnded(RelayError):
    """The relay's process ended by itself; `code` is its exit code."""

    def __init__(self, code: int, log: str) -> None:
        said = f". It said:\n{log}" if log else ", and said nothing"
        super().__init__(f"the relay ended with exit code {code}{said}")
        self.code = code


@dataclass(frozen=True)
class Stage:
    """The servers, and the names to use on them.

    own_mongo, own_kafka: whether the server was started for the demo, and ends with it.
    """

    mongo: str
    database: str
    kafka: str
    topic: str
    own_mongo: bool
    own_kafka: bool


def play(
    messages: int, mongo: str | None, kafka: str | None, display: Display, *, keep: bool
) -> tuple[Report, list[Check]]:
    """Runs the demo, and removes what it made, whatever ends it. Only in the main thread: it handles Ctrl-C.

    mongo, kafka: addresses of servers to use; None starts one. keep: wait for Ctrl-C when all is checked.
    Raises KeyboardInterrupt, EmbeddedUnavailable, InvalidSettings, Unreachable, RelayEnded, other errors of outbox and
    relay, and pymongo's.
    """
    began = time.monotonic()
    with _cleanup_stack() as stack:
        stage = _stage(stack, mongo, kafka, display)
        client = stack.enter_context(_connected(stage.mongo))
        outbox = stack.enter_context(Outbox(client[stage.database], messages=MESSAGES, capacity="64 MiB"))
        outbox.create()
        display.step("Outbox", f"{stage.database}.outbox, a capped log of 64 MiB, with its staging collection")
        process = _Relay(stage, stack)
        display.step("Relay", f"process {process.pid}: from that log to the topic {stage.topic}")
        shop = Shop(client[stage.database], outbox, messages)
        stack.callback(shop.stop)
        subscriber = _Subscriber(outbox)
        stack.callback(subscriber.dispose)
        shop.start()
        _watch(messages, outbox, shop, subscriber, process, display)
        delivered = read_back(stage.kafka, stage.topic)
        report, checks = examine(shop.ledger, list(subscriber.seen), delivered, time.monotonic() - began)
        display.verdict(checks, report.seconds)
        if keep:
            _keep(stage, process, display)
        return report, checks


@contextlib.contextmanager
def _cleanup_stack() -> Iterator[contextlib.ExitStack]:
    """Gives a stack that SIGTERM unwinds as Ctrl-C does, and that no second Ctrl-C can leave half unwound."""
    signals = (signal.SIGINT, signal.SIGTERM)
    previous = [signal.signal(number, signal.default_int_handler) for number in signals]
    try:
        with contextlib.ExitStack() as stack:
            try:
                yield stack
            finally:
                for number in signals:
                    signal.signal(number, signal.SIG_IGN)
    finally:
        for number, handler in zip(signals, previous, strict=True):
            signal.signal(number, handler)


def _stage(stack: contextlib.ExitStack, mongo: str | None, kafka: str | None, display: Display) -> Stage:
    unique = f"outbox-demo-{uuid.uuid4().hex[:8]}"
    database = "shop" if mongo is None else unique
    topic = f"{database}.outbox"  # where a relay sends by default
    began = time.monotonic()
    if mongo is None:
        server = stack.enter_context(EmbeddedMongo())
        uri = server.uri
        display.step("MongoDB", f"{server.address}, a replica set of one", time.monotonic() - began)
    else:
        uri = mongo
        stack.enter_context(_users_server(uri, database))
        display.step("MongoDB", f"yours, with the database {database}, which goes at the end")
    if kafka is None:
        broker = MockBroker()
        stack.callback(broker.close)
        broker.make_topic(topic)
        bootstrap = broker.bootstrap
        display.step("Kafka", f"{bootstrap}, librdkafka's mock broker")
    else:
        bootstrap = kafka
        with ThreadPoolExecutor(1) as other:  # where no Ctrl-C interrupts the making of a Kafka client
            other.submit(KafkaSink(bootstrap).check, []).result()
        display.step("Kafka", f"yours, with the topic {topic}, which goes at the end")
        stack.callback(delete_topic, bootstrap, topic)
    return Stage(uri, database, bootstrap, topic, own_mongo=mongo is None, own_kafka=kafka is None)


def _connected(uri: str) -> MongoClient[dict[str, Any]]:
    # A demo whose server has gone should end soon, not after the driver's usual 30 s.
    return connected(uri, appname="relay demo", serverSelectionTimeoutMS=int(CONNECT_SECONDS * 1000))


@contextlib.contextmanager
def _users_server(uri: str, database: str) -> Iterator[None]:
    """Checks that the user's own server answers; drops the demo's database on it in the end."""
    with _connected(uri) as client:
        try:
            yield
        finally:
            with pymongo.timeout(CONNECT_SECONDS):
                client.drop_database(database)


class _Relay:
    """The relay's process, which runs until the stack unwinds."""

    def __init__(self, stage: Stage, stack: contextlib.ExitStack) -> None:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="outbox-demo-")))
        self._log = folder / "relay.log"
        command = ["-P", "-c", _RELAY, str(Path(relay.__path__[0]).parent), "run", "--mongo", stage.mongo]
        command += ["--database", stage.database, "--kafka", stage.kafka]
        if not stage.own_kafka:
            command += ["--create-topic", "partitions=3,replication=1"]
        self._child = ChildProcess([sys.executable, *command], log=self._log, scratch=folder)
        stack.callback(self._child.stop, 5)

    @property
    def pid(self) -> int:
        return self._child.pid

    def check(self) -> None:
        """Raises RelayEnded when the process has ended."""
        code = self._child.exit_code
        if code is not None:
            raise RelayEnded(code, self._log.read_text(errors="replace").strip())


class _Subscriber:
    """Subscribes to the outbox in this process, and keeps what it sees."""

    def __init__(self, outbox: Outbox) -> None:
        self.seen: list[Seen] = []
        self.latest: Record[Any] | None = None
        self.failures: list[Exception] = []
        self._subscription = outbox.observe("earliest").subscribe(self._see, self.failures.append)

    def _see(self, record: Record[Any]) -> None:
        self.seen.append((record.seq, str(record.id)))
        self.latest = record

    def dispose(self) -> None:
        self._subscription.dispose()


def _watch(goal: int, outbox: Outbox, shop: Shop, subscriber: _Subscriber, process: _Relay, display: Display) -> None:
    """Shows the counts until all is delivered, or nothing has moved for so long that only the checks can tell why."""
    began = moved = time.monotonic()
    last: Counts | None = None
    with display.counting():
        while True:
            counts = _count(goal, outbox, shop, subscriber)
            now = time.monotonic()
            display.show(counts, now - began)
            if counts.complete:
                return
            process.check()
            for failure in (*shop.failures, *subscriber.failures):
                raise failure
            if counts != last:
                last, moved = counts, now
            elif now - moved > _STALL_SECONDS:
                display.console.print(f"nothing has moved for {_STALL_SECONDS:g} s", style="red")
                return
            SystemClock().wait(_POLL_SECONDS)


def _count(goal: int, outbox: Outbox, shop: Shop, subscriber: _Subscriber) -> Counts:
    status = outbox.status()
    return Counts(
        goal=goal,
        committed=shop.ledger.committed,
        aborted=len(shop.ledger.aborted),
        numbered=status.head,
        observed=len(subscriber.seen),
        relayed=max((cursor.seq for cursor in status.cursors), default=0),
        latest=subscriber.latest,
    )


def _keep(stage: Stage, process: _Relay, display: Display) -> None:
    display.console.print(_commands_to_look(stage), markup=False, highlight=False, soft_wrap=True)
    with contextlib.suppress(KeyboardInterrupt):
        while True:
            process.check()
            SystemClock().wait(_POLL_SECONDS)


def _commands_to_look(stage: Stage) -> str:
    uri = shlex.quote(stage.mongo) if stage.own_mongo else "'YOUR ADDRESS'"  # it may have a password
    database = f'db.getSiblingDB("{stage.database}")'
    put = (
        '{at: Timestamp({t: 0, i: 0}), created: new Date(), type: "order.paid", key: "mine", headers: {}, '
        'data: {order: "mine", method: "card"}}'
    )
    return f"""
All of it stays up until Ctrl-C. From another terminal:

the newest batch of the log
  mongosh {uri} --eval '{database}.outbox.find().sort({{_id: -1}}).limit(1)'
put a message by hand, as a service in any language can
  mongosh {uri} --eval '{database}.outbox.staging.insertOne({put})'
read the topic, and wait for more
  kcat -b {stage.kafka} -t {stage.topic} -C -f '%k %h %s\\n'
how far the relay is
  relay status --mongo {uri} --database {stage.database}
"""
