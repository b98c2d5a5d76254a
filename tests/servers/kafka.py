"""A Kafka broker of the tests' own: the real one, from Maven's jars, in KRaft mode; others can join it."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from outbox.embedded.child_process import ChildProcess
from relay.kafka.cursor_topic import CursorTopic
from relay.kafka.transactional_sink import CURSORS
from tests.servers.kafka_jars import FOLDER, kafka_jars, kept_checkpoint, kept_classes
from tests.servers.ports import free_ports
from tests.waiting import wait_until

JVM = ("-Xmx512m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xshare:auto")
START_SECONDS = 120.0


class KafkaBroker:
    """One broker on 127.0.0.1; with `with`, or start() and stop(). `properties` are added to server.properties, and
    `classes`, a folder, to what Java finds. `joining`: the cluster's first broker, which alone is its controller.
    `java`: options of Java's, instead of those for the classes that are kept.

    Its port and data outlive stop() and kill(), so that start() is a restart; close() removes them.
    """

    def __init__(
        self,
        properties: Mapping[str, str] | None = None,
        classes: Path | None = None,
        *,
        joining: KafkaBroker | None = None,
        java: Sequence[str] | None = None,
    ) -> None:
        self._jars = kafka_jars()
        self._options = self._kept_options() if java is None else java
        self._classes = f"{self._jars}/*" if classes is None else f"{self._jars}/*{os.pathsep}{classes}"
        self._folder = tempfile.TemporaryDirectory(prefix="outbox-kafka-")
        self._properties = {} if properties is None else dict(properties)
        self._child: ChildProcess | None = None
        self.port, self._controller_port, self.far_port = free_ports(3)
        self._joining = joining
        self._cluster: str = _new_id() if joining is None else joining._cluster
        self.far_address: str | None = None
        """Set before start(): where clients who ask at `far_port` are sent, such as to a proxy before that port."""

    @property
    def bootstrap(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        assert self._child is not None, "the broker is not running: start() it first"
        return self._child.pid

    def start(self) -> None:
        """Returns when the broker answers a client, after some 4 s."""
        assert self._child is None, "the broker already runs"
        if not self._settings.exists():
            self._format()
        command = ["java", *JVM, *self._options, *self._java("kafka.Kafka", str(self._settings))]
        self._child = child = ChildProcess(command, log=self._log, scratch=Path(self._folder.name))
        wait_until(lambda: child.exit_code is not None or _listens(self.port), START_SECONDS, "the broker to listen")
        assert child.exit_code is None, f"the broker ended:\n{self._log.read_text()[-3000:]}"
        wait_until_answers(self.bootstrap)

    def stop(self) -> None:
        """Ends it in an orderly way (SIGTERM)."""
        if self._child is not None:
            self._child.stop()
            self._child = None

    def kill(self) -> None:
        """Ends it as a power cut would (SIGKILL)."""
        if self._child is not None:
            self._child.kill()
            self._child = None

    def restart(self) -> None:
        """stop() and start(): the same port, the same data."""
        self.stop()
        self.start()

    def pause(self) -> None:
        """Freezes it (SIGSTOP): its sockets stay open and answer nothing."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def close(self) -> None:
        """Ends it and removes its data."""
        self.kill()
        self._folder.cleanup()

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def _settings(self) -> Path:
        return Path(self._folder.name, "server.properties")

    @property
    def data(self) -> Path:
        """The folder of its log."""
        return Path(self._folder.name, "data")

    def _kept_options(self) -> list[str]:
        classes = kept_classes(self._jars)
        return [f"-XX:SharedArchiveFile={classes}"] if classes.exists() else []

    @property
    def _log(self) -> Path:
        return Path(self._folder.name, "broker.log")

    def _java(self, *arguments: str) -> list[str]:
        return [f"-Dlog4j2.configurationFile={FOLDER / 'log4j2.properties'}", "-cp", self._classes, *arguments]

    def _format(self) -> None:
        address, controller = self.bootstrap, f"127.0.0.1:{self._controller_port}"
        far, far_advertised = "", ""
        if self.far_address is not None:
            far, far_advertised = f",FAR://127.0.0.1:{self.far_port}", f",FAR://{self.far_address}"
        properties = {
            "process.roles": "broker,controller",
            "node.id": "1",
            "controller.quorum.voters": f"1@{controller}",
            "listeners": f"PLAINTEXT://{address},CONTROLLER://{controller}{far}",
            "advertised.listeners": f"PLAINTEXT://{address}{far_advertised}",
            "controller.listener.names": "CONTROLLER",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,FAR:PLAINTEXT",
            "inter.broker.listener.name": "PLAINTEXT",
            "log.dirs": str(self.data),
            "offsets.topic.replication.factor": "1",
            "offsets.topic.num.partitions": "1",
            "transaction.state.log.replication.factor": "1",
            "transaction.state.log.min.isr": "1",
            "transaction.state.log.num.partitions": "1",
            "share.coordinator.state.topic.replication.factor": "1",
            "share.coordinator.state.topic.min.isr": "1",
            "group.initial.rebalance.delay.ms": "0",
            "auto.create.topics.enable": "false",
            # A killed broker may register again only when its old session has ended, by default after 9 s.
            "broker.session.timeout.ms": "3000",
            "broker.heartbeat.interval.ms": "500",
            # A record each half second that nobody waits for: a third of what a broker at rest takes.
            "metadata.max.idle.interval.ms": "0",
            **({} if self._joining is None else self._as_second(self._joining)),
            **self._properties,
        }
        self._settings.write_text("".join(f"{key}={value}\n" for key, value in properties.items()))
        checkpoint = kept_checkpoint(self._jars)
        if not checkpoint.exists():
            self._format_by_java()
            return
        self.data.mkdir()
        shutil.copy(checkpoint, self.data / "bootstrap.checkpoint")
        names = {"version": 1, "cluster.id": self._cluster, "node.id": properties["node.id"], "directory.id": _new_id()}
        (self.data / "meta.properties").write_text("".join(f"{key}={value}\n" for key, value in names.items()))

    def _format_by_java(self) -> None:
        format_ = self._java("kafka.tools.StorageTool", "format", "-t", self._cluster, "-c", str(self._settings))
        command = ["java", *JVM, *format_]
        java = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=START_SECONDS, check=False
        )
        assert java.returncode == 0, f"Kafka's storage could not be formatted:\n{java.stdout}{java.stderr}"
        with tempfile.TemporaryDirectory(dir=self._jars.parent) as folder:
            shutil.copy(self.data / "bootstrap.checkpoint", folder)
            Path(folder, "bootstrap.checkpoint").rename(kept_checkpoint(self._jars))

    def _as_second(self, first: KafkaBroker) -> dict[str, str]:
        return {
            "process.roles": "broker",
            "node.id": "2",
            "controller.quorum.voters": f"1@127.0.0.1:{first._controller_port}",
            "listeners": f"PLAINTEXT://{self.bootstrap}",
            "advertised.listeners": f"PLAINTEXT://{self.bootstrap}",
        }


def wait_until_answers(bootstrap: str, cap_seconds: float = START_SECONDS) -> None:
    """Waits until a broker tells a client of its cluster."""
    admin = admin_client(bootstrap)

    def answers() -> bool:
        try:
            return bool(admin.list_topics(timeout=1).brokers)
        except KafkaException:
            return False

    wait_until(answers, cap_seconds, f"a broker to answer on {bootstrap}")


def create_topic(bootstrap: str, topic: str, partitions: int = 3) -> None:
    """Creates a topic and returns when the broker has it."""
    admin = admin_client(bootstrap)
    admin.create_topics([NewTopic(topic, partitions, 1)])[topic].result(30)
    wait_until(lambda: topic in admin.list_topics(timeout=5).topics, 30, f"the topic {topic}")


def create_cursor_topic(bootstrap: str, topic: str = CURSORS) -> None:
    """The topic for exactly-once cursors, if it is missing, as a relay makes it."""
    CursorTopic(topic, bootstrap, lambda client, _: client({"bootstrap.servers": bootstrap})).check(replication=1)


def admin_client(bootstrap: str) -> AdminClient:
    """A client that reconnects quickly and keeps quiet while the broker is away."""
    quiet = {"log_level": 0, "reconnect.backoff.ms": 50, "reconnect.backoff.max.ms": 500}
    return AdminClient({"bootstrap.servers": bootstrap, "allow.auto.create.topics": False, **quiet})


def _new_id() -> str:
    """As Kafka writes them."""
    return urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=").replace("-", "A")


def keep_classes() -> None:
    """Keeps the classes of a broker, loaded and checked, for all that this user starts from now on.

    It starts one for that, which takes ten seconds or more: worth it before many. Raises KafkaUnavailable.
    """
    classes = kept_classes(kafka_jars())
    if not classes.exists():
        with tempfile.TemporaryDirectory(dir=classes.parent) as folder:  # whole or not at all
            unfinished = Path(folder, classes.name)
            with KafkaBroker(java=[f"-XX:ArchiveClassesAtExit={unfinished}"]) as broker:
                broker.stop()
            unfinished.rename(classes)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0
