"""The ports that servers of the tests are given."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers import ports
from tests.servers.ports import free_ports

ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def ten_ports(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "LOWEST", 14_000)
    monkeypatch.setattr(ports, "HIGHEST", 14_009)


def test_none_is_given_twice() -> None:
    given = [*free_ports(2), *free_ports(2)]

    assert len(set(given)) == 4


def test_one_that_somebody_listens_on_is_not_given() -> None:
    with socket.create_server(("127.0.0.1", 14_020)), pytest.MonkeyPatch.context() as patch:
        patch.setattr(ports, "LOWEST", 14_020)
        patch.setattr(ports, "HIGHEST", 14_021)

        assert free_ports(1) == [14_021]


@pytest.fixture
def another_process() -> Iterator[list[int]]:
    """Has been given nine of ten ports, on which nobody listens."""
    command = "import sys; from tests.servers import ports; ports.LOWEST, ports.HIGHEST = 14_010, 14_019; "
    command += "print(*ports.free_ports(9), flush=True); sys.stdin.read()"
    process = subprocess.Popen(
        [sys.executable, "-c", command], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    yield [int(port) for port in process.stdout.readline().split()]
    process.communicate()


def test_one_that_another_process_was_given_is_not_given(
    another_process: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ports, "LOWEST", 14_010)
    monkeypatch.setattr(ports, "HIGHEST", 14_019)

    assert free_ports(1) == list(set(range(14_010, 14_020)) - set(another_process))
