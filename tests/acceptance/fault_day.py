"""A relay under watch: all that an operator sees of it, while a test does something to it or to its servers."""

from __future__ import annotations

import contextlib
import json
import math
import re
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self

from pymongo import MongoClient
from pymongo.errors import PyMongoError

from outbox import Outbox
from outbox.clock import SystemClock
from outbox.doctor.collections import OutboxExamination
from outbox.doctor.finding import examined
from outbox.doctor.server import ServerExamination
from outbox.mongo.server_errors import short_message
from relay import KafkaSink
from relay.address import hosts_of
from relay.cli.run import RELAYING
from relay.kafka.examination import KafkaExamination
from relay.monitoring.alive import dead, identity
from relay.monitoring.health import unhealthy
from relay.monitoring.status import relay_status
from tests.actors.listening import Listening
from tests.actors.order_service import new_outbox, placed
from tests.actors.price_service import new_prices
from tests.actors.relay_command import RelayCommand
from tests.actors.small_log import small_outbox
from tests.servers.kafka import KafkaBroker, create_topic
from tests.servers.produce_fault import ProduceFault
from tests.servers.proxy import Proxy
from tests.servers.unavailable import CI
from tests.waiting import wait_until

WITHIN_SECONDS = 20.0 if CI else 10.0
"""An operator is to see a fault within ten; a machine that tests much else beside may take longer."""
ANSWER_SECONDS = 5.0


Document = dict[str, Any]
NOT_ENOUGH_REPLICAS = 19


class Refusals(ProduceFault):
    """Refuses all that is sent while it is on, as a broker with too few replicas in sync does."""

    def __init__(self) -> None:
        super().__init__()
        self.on = False

    def take(self) -> int:
        return NOT_ENOUGH_REPLICAS if self.on else 0


class Kafka:
    """A broker of the day's own: relays reach it by its address, or through a proxy that can be cut, and can refuse."""

    def __init__(self) -> None:
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            self.broker = KafkaBroker()
            stack.callback(self.broker.close)
            self.refusals = Refusals()
            self.network = stack.enter_context(Proxy(self.broker.far_port, traffic=self.refusals.traffic))
            self.broker.far_address = self.network.address
            self.broker.start()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def topic(self) -> str:
        """Makes a topic, and returns its name."""
        name = f"test.{uuid.uuid4().hex}"
        create_topic(self.broker.bootstrap, name)
        return name


class Watched:
    """A process of `relay run` with all that it shows, by metrics, probes, log output, health, status and doctor.

    settings: of the relay. Each view is a text, empty while there is nothing to see.
    """

    def __init__(self, folder: Path, *flags: str, **settings: str) -> None:
        self._settings = settings
        self.topic = settings["topic"]
        self.command = RelayCommand(folder, listen="127.0.0.1:0", log_format="json", **settings)
        self.process = self.command.start("run", *flags)
        self.listening = Listening(self.command)

    def wait_until_ready(self) -> None:
        wait_until(
            lambda: self.listening.get("/readyz").code == 200, 60, f"it to be ready:\n{self.command.log[-2000:]}"
        )

    def shows(self, orders: Outbox, **expected: str | Callable[[], object]) -> None:
        """Waits until each view says what is expected, a pattern, or the function is true: all side by side."""
        with ThreadPoolExecutor(len(expected)) as pool:
            list(pool.map(lambda item: self._shows(orders, *item), expected.items()))

    def _shows(self, orders: Outbox, view: str, wanted: str | Callable[[], object]) -> None:
        said = ""

        def seen() -> bool:
            nonlocal said
            if not isinstance(wanted, str):
                return bool(wanted())
            said = getattr(self, view)(orders)
            return re.search(wanted, said) is not None

        try:
            wait_until(seen, WITHIN_SECONDS, f"{view} to say {wanted!r}")
        except AssertionError as error:
            raise AssertionError(f"{error}; it says:\n{said[-3000:]}") from None

    def metric(self, name: str, **labels: str) -> list[float]:
        """The values of the samples that have these labels, among others."""
        found = self.listening.samples().get(name, {})
        return [value for has, value in found.items() if set(labels.items()) <= has]

    def ready(self, _: Outbox) -> str:
        answer = self.listening.get("/readyz")
        return "" if answer.code == 200 else answer.text

    def alive(self, _: Outbox) -> str:
        try:
            with urllib.request.urlopen(f"{self.listening._url}/healthz", timeout=ANSWER_SECONDS) as answer:
                return str(answer.read().decode())
        except urllib.error.HTTPError as error:
            return error.read().decode()
        except OSError as error:
            return f"no answer: {error}"

    def log(self, orders: Outbox) -> str:
        """The warnings of this outbox, and those that are of none."""
        lines: list[dict[str, Any]] = [json.loads(line) for line in self.command.log.splitlines()]
        name = orders.collections.log.full_name
        return "\n".join(
            line["message"]
            for line in lines
            if line["level"] in {"warning", "error"} and line.get("outbox", name) == name
        )

    def health(self, orders: Outbox) -> str:
        return self._asked(lambda: unhealthy(orders, "kafka", SystemClock()) or "")

    def health_self(self, orders: Outbox) -> str:
        hosts = hosts_of(self._settings["mongo"])
        return dead(identity(hosts, orders.collections.database.name, orders.name, "kafka"), SystemClock()) or ""

    def status(self, orders: Outbox) -> str:
        return self._asked(lambda: json.dumps(relay_status(orders, "kafka").as_dict(), default=str))

    def doctor(self, orders: Outbox) -> str:
        own = OutboxExamination(orders.collections, None, "APP", RELAYING)
        kafka = KafkaExamination(KafkaSink(self._settings["kafka"]), {self._settings["topic"]: False}, None)
        checks = {**ServerExamination(orders.collections).checks(), **own.checks(), **kafka.checks()}
        return "\n".join(
            f"{'serious' if each.serious else 'note'}: {each.what} | {each.why} | {each.mend}"
            for each in examined(checks)
        )

    def _asked(self, ask: Callable[[], str]) -> str:
        try:
            return ask()
        except PyMongoError as error:
            return f"MongoDB does not answer: {short_message(error)}"


def pass_time(seconds: float) -> None:
    """A rest is a matter of time alone."""
    since = time.monotonic()
    wait_until(lambda: time.monotonic() - since > seconds, 2 * seconds, "time to pass")


def reached(drop: Callable[[str], object]) -> Callable[[str], None]:
    """Makes what drops a database, if its server is still there."""

    def dropped(name: str) -> None:
        with contextlib.suppress(PyMongoError):
            drop(name)

    return dropped


class Day:
    """Makes outboxes and relays that are looked at; all of them end with the day."""

    def __init__(self, uri: str, kafka: Kafka, stack: contextlib.ExitStack, folder: Any) -> None:
        self.uri, self.kafka, self.folder, self._stack = uri, kafka, folder, stack
        self._client = self.client(uri)
        self._databases: list[str] = []

    def client(self, uri: str) -> MongoClient[Document]:
        return self._stack.enter_context(MongoClient[Document](uri, serverSelectionTimeoutMS=1000))

    def database(self, client: MongoClient[Document] | None = None) -> Any:
        client = self._client if client is None else client
        name = f"test_{uuid.uuid4().hex}"
        self._stack.callback(reached(client.drop_database), name)
        return client[name]

    def relay(self, *outboxes: Outbox, mongo: str | None = None, kafka: str | None = None, tables: str = "") -> Watched:
        """Runs a relay of these outboxes, which is ready. tables: their settings beside the names, a line for each."""
        topic = self.kafka.topic()
        settings = {"mongo": mongo or self.uri, "kafka": kafka or self.kafka.broker.bootstrap, "topic": topic}
        folder = self.folder / topic
        folder.mkdir()
        lines = tables.splitlines() or [""] * len(outboxes)
        (folder / "relay.toml").write_text(
            "".join(
                f"[[outbox]]\ndatabase = '{each.collections.database.name}'\n{line}\n"
                for each, line in zip(outboxes, lines, strict=True)
            )
        )
        watched = Watched(folder, "--config", str(folder / "relay.toml"), **settings)
        self._stack.enter_context(watched.command)
        watched.wait_until_ready()
        return watched


class Shops:
    """Four outboxes of one relay process, each with a trouble of its own to come."""

    def __init__(self, day: Day) -> None:
        self.poison, self.parked = (new_prices(day.database(), "outbox", sequence=False) for _ in range(2))
        self.full = small_outbox(day.database())
        self.unnumbered = new_outbox(day.database(), sequence=False)
        tables = "\non_poison = 'park-key'\n\nsequence = false"
        self.relay = day.relay(self.poison, self.parked, self.full, self.unnumbered, tables=tables)

    def of(self, orders: Outbox, name: str, **labels: str) -> float:
        """A sample of one of the outboxes: all are called `outbox`. NaN while there is none."""
        values = self.relay.metric(name, database=orders.collections.database.name, **labels)
        assert len(values) <= 1
        return values[0] if values else math.nan


def put_large(orders: Outbox, count: int) -> None:
    """Puts messages of which a small log holds only a few."""
    for number in range(count):
        orders.put(placed(number, note="x" * 2000), standalone=True)
