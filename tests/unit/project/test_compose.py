"""compose.yaml cannot be run by these tests: what can be known of it without a daemon is checked."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[3]
COMPOSE = ROOT / "compose.yaml"


@pytest.fixture
def services() -> dict[str, Any]:
    return dict(YAML(typ="safe").load(COMPOSE)["services"])


def check_against_the_specification(file: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(file)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_it_follows_the_compose_specification() -> None:
    checked = check_against_the_specification(COMPOSE)

    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_a_misspelt_key_would_be_noticed(tmp_path: Path) -> None:
    wrong = tmp_path / "compose.yaml"
    wrong.write_text(COMPOSE.read_text().replace("depends_on:", "depend_on:"))

    assert check_against_the_specification(wrong).returncode == 1


def test_whoever_waits_for_a_healthy_service_waits_for_one_with_a_health_check(services: dict[str, Any]) -> None:
    for service in services.values():
        for name, dependency in service.get("depends_on", {}).items():
            assert dependency["condition"] == "service_started" or "healthcheck" in services[name]


def test_the_relay_is_watched_by_its_own_command(services: dict[str, Any]) -> None:
    assert services["relay"]["healthcheck"]["test"] == ["CMD", "relay", "health", "--self"]


def test_the_example_service_finds_its_file_and_its_database(services: dict[str, Any]) -> None:
    orders = services["orders"]
    service = ROOT / orders["entrypoint"][1].removeprefix("/")

    assert orders["volumes"] == ["./examples:/examples:ro"]
    assert all(f'"{name}"' in service.read_text() for name in orders["environment"])


def test_every_port_is_open_to_this_machine_only(services: dict[str, Any]) -> None:
    ports = [port for service in services.values() for port in service.get("ports", [])]

    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_the_image_does_not_run_as_root() -> None:
    users = [line.split()[1] for line in (ROOT / "Dockerfile").read_text().splitlines() if line.startswith("USER ")]

    assert users[-1:] == ["10001:10001"]


def test_the_image_gets_every_file_that_it_copies() -> None:
    shared = {line.removeprefix("!") for line in (ROOT / ".dockerignore").read_text().splitlines()}
    copied = [
        name
        for line in (ROOT / "Dockerfile").read_text().splitlines()
        if line.startswith("COPY ") and "--from" not in line
        for name in line.split()[1:-1]
    ]

    assert {"outbox", "relay", "pyproject.toml"} <= set(copied)
    assert set(copied) <= shared
