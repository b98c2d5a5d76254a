"""The image and compose.yaml, run where a container engine answers: Docker, or podman through DOCKER_HOST.

Skipped elsewhere, also in CI, which has no engine: tests/unit/project/test_compose.py has what can be known without
one.
"""

from __future__ import annotations

import contextlib
import os
import socket
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker.errors  # type: ignore[import-untyped]  # docker ships no types
import pytest
from confluent_kafka.admin import AdminClient
from ruamel.yaml import YAML

from tests.actors.consumer import read_topic
from tests.servers.docker import docker_answers
from tests.waiting import wait_until

ROOT = Path(__file__).parents[2]
SOURCES = Path(os.environ.get("OUTBOX_TEST_SOURCES", ROOT))
PORTS = (27017, 9092, 9093, 29092)
ANYBODY = "54321:0"  # as OpenShift has it: an id that the image does not know
OUTSIDE = "127.0.0.1:29092"  # as compose.yaml says

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def engine() -> Iterator[Any]:
    if not docker_answers():
        pytest.skip(
            "NO CONTAINER ENGINE ANSWERS: the Dockerfile and compose.yaml were NOT run; start Docker, or podman"
        )
    if not (SOURCES / "outbox").exists():
        pytest.skip("there is no package beside the tests to build from: name a clone in OUTBOX_TEST_SOURCES")
    with contextlib.closing(docker.from_env(timeout=600)) as client:
        yield client


@pytest.fixture(scope="module")
def image(engine: Any) -> Iterator[str]:
    name = f"mongo-outbox-test:{uuid.uuid4().hex[:8]}"
    engine.images.build(path=str(SOURCES), tag=name, rm=True)
    yield name
    engine.images.remove(name, force=True)


@pytest.fixture
def composed(engine: Any, image: str) -> Iterator[dict[str, Any]]:
    """The services of compose.yaml, each started when those that it depends on are as it wants them.

    All share this machine's network, so that no engine has to make one; their names lead to it.
    """
    for port in PORTS:
        with contextlib.closing(socket.socket()) as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                pytest.skip(f"port {port} of this machine is in use: compose.yaml's services could not have it")
    services: dict[str, Any] = YAML(typ="safe").load(ROOT / "compose.yaml")["services"]
    started: dict[str, Any] = {}
    with contextlib.ExitStack() as stack:

        def start(name: str) -> Any:
            service = services[name]
            for other, wanted in service.get("depends_on", {}).items():
                if other not in started:
                    start(other)
                if wanted["condition"] == "service_healthy":
                    wait_until_healthy(started[other], services[other])
            started[name] = engine.containers.run(
                image if "build" in service else service["image"],
                service.get("command"),
                entrypoint=service.get("entrypoint"),
                environment=service.get("environment", {}),
                volumes=[
                    each.replace("./", f"{ROOT}/") for each in service.get("volumes", []) if each.startswith("./")
                ],
                restart_policy={"Name": "on-failure", "MaximumRetryCount": 20},
                extra_hosts=dict.fromkeys(services, "127.0.0.1"),
                network_mode="host",
                read_only=service.get("read_only", False),
                user=ANYBODY if "build" in service else None,
                detach=True,
            )
            stack.callback(started[name].remove, force=True, v=True)
            return started[name]

        for name in services:
            if name not in started:
                start(name)
        yield {name: (started[name], services[name]) for name in services}


def wait_until_healthy(container: Any, service: dict[str, Any]) -> None:
    """By its own health check, run from here: podman runs none by itself where there is no systemd."""
    _, *command = service["healthcheck"]["test"]

    def healthy() -> bool:
        with contextlib.suppress(docker.errors.APIError):  # it does not run: it has not started yet, or starts again
            return bool(container.exec_run(command).exit_code == 0)
        return False

    try:
        wait_until(healthy, 120, f"{container.name} to be healthy")
    except AssertionError as late:
        raise AssertionError(f"{late}\n{container.logs(tail=50).decode()}") from late


def test_it_runs_as_anybody_where_nothing_can_be_written(engine: Any, image: str) -> None:
    script = "id -u; relay --version; touch /tmp/file 2>/dev/null || echo refused; relay health --self; echo $?"
    said = engine.containers.run(
        image, ["-c", script], entrypoint="sh", remove=True, network_mode="host", read_only=True, user=ANYBODY,
        cap_drop=["ALL"], environment={"RELAY_MONGO": "mongodb://h", "RELAY_DATABASE": "shop"}, stderr=True,
    )  # fmt: skip
    user, version, *health = said.decode().splitlines()
    assert user == "54321"
    assert version.startswith("mongo-outbox ")
    assert {"1", "shop.outbox: no relay with this configuration runs here"} <= set(health)


def test_the_image_says_whether_its_relay_lives(engine: Any, image: str) -> None:
    checked = engine.images.get(image).attrs["Config"].get("Healthcheck")
    if checked is None:
        pytest.skip("this engine builds images of OCI's format, which has no health checks")
    assert checked["Test"] == ["CMD", "relay", "health", "--self"]


def test_the_image_runs_as_its_own_user(engine: Any, image: str) -> None:
    said = engine.containers.run(
        image, "-c 'id -u; relay --version'", entrypoint="sh", remove=True, network_mode="host"
    )
    user, version = said.decode().splitlines()[:2]
    assert user == "10001"
    assert version.startswith("mongo-outbox ")


def test_a_probe_compiles_nothing_of_what_it_imports(engine: Any, image: str) -> None:
    look = "import os, typing, relay; print(*map(os.path.exists, [typing.__cached__, relay.__cached__]))"
    said = engine.containers.run(image, ["-c", look], entrypoint="python", remove=True, network_mode="host")
    assert said.decode() == "True True\n"


def test_all_services_get_healthy_and_a_message_arrives(composed: dict[str, Any]) -> None:
    for container, service in composed.values():
        if "test" in service.get("healthcheck", {}):
            wait_until_healthy(container, service)
    assert "shop.outbox" in AdminClient({"bootstrap.servers": OUTSIDE}).list_topics(timeout=30).topics
    [first, *_] = read_topic(OUTSIDE, "shop.outbox", until=bool)
    assert first.key() is not None
