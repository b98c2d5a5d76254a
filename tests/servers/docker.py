"""The same servers from images, where a Docker daemon answers."""

from __future__ import annotations

import contextlib
import functools
import gc
import warnings
from collections.abc import Iterator
from typing import Any

import docker  # type: ignore[import-untyped]  # docker ships no types
import pymongo
from docker.errors import DockerException  # type: ignore[import-untyped]  # as above
from testcontainers.core.container import DockerContainer

from tests.servers.kafka import wait_until_answers
from tests.servers.ports import free_port
from tests.servers.replica_set import SET_OF_ONE
from tests.waiting import wait_until

MONGO_IMAGE = "mongo:7.0"
KAFKA_IMAGE = "apache/kafka:4.1.0"


@functools.cache
def docker_answers() -> bool:
    """Is there a daemon? An installed client alone is none."""
    with warnings.catch_warnings():
        # The client forgets to close its socket when no daemon answers; collected here, it is no later test's fault.
        warnings.simplefilter("ignore", ResourceWarning)
        answers = _ping()
        gc.collect()
    return answers


def _ping() -> bool:
    try:
        with contextlib.closing(docker.from_env(timeout=5)) as client:
            return bool(client.ping())
    except (DockerException, OSError):
        return False


@contextlib.contextmanager
def mongo_container() -> Iterator[str]:
    """The URI of a one-node replica set."""
    # One and the same port inside and outside: the set's only member is found by its name from both.
    port = free_port()
    command = f"--replSet rs0 --bind_ip_all --port {port} {' '.join(SET_OF_ONE)}"
    with DockerContainer(MONGO_IMAGE).with_command(command).with_bind_ports(port, port):
        with pymongo.MongoClient[dict[str, Any]]("127.0.0.1", port, directConnection=True, timeoutMS=60_000) as client:
            member = {"_id": 0, "host": f"127.0.0.1:{port}"}
            client.admin.command("replSetInitiate", {"_id": "rs0", "members": [member]})
            wait_until(lambda: client.admin.command("hello").get("isWritablePrimary"), 60, "a primary")
        yield f"mongodb://127.0.0.1:{port}/?replicaSet=rs0"


@contextlib.contextmanager
def kafka_container() -> Iterator[str]:
    """The bootstrap address of a one-node KRaft broker."""
    port = free_port()
    settings = {
        "KAFKA_NODE_ID": "1",
        "KAFKA_PROCESS_ROLES": "broker,controller",
        "KAFKA_LISTENERS": f"PLAINTEXT://:{port},CONTROLLER://:9093",
        "KAFKA_ADVERTISED_LISTENERS": f"PLAINTEXT://127.0.0.1:{port}",
        "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "KAFKA_CONTROLLER_LISTENER_NAMES": "CONTROLLER",
        "KAFKA_CONTROLLER_QUORUM_VOTERS": "1@localhost:9093",
        "KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR": "1",
        "KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR": "1",
        "KAFKA_TRANSACTION_STATE_LOG_MIN_ISR": "1",
        "KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS": "0",
        "KAFKA_AUTO_CREATE_TOPICS_ENABLE": "false",
    }
    container = DockerContainer(KAFKA_IMAGE).with_bind_ports(port, port)
    for name, value in settings.items():
        container = container.with_env(name, value)
    with container:
        wait_until_answers(f"127.0.0.1:{port}")
        yield f"127.0.0.1:{port}"
