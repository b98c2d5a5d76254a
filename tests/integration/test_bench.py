"""`python -m bench` on tiny counts: it runs, and says what it measured. What it measures is nobody's to assert."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pymongo
import pytest

ROOT = Path(__file__).parents[2]
THROUGHPUT = {"messages/s"}
PROCESS = {"messages/s", "CPU µs/message", "resident MiB"}
OBSERVED = {f"put → {place} p{percent} ms" for place in ("log", "observer") for percent in (50, 99)}
CONSUMED = {"put → consumer p50 ms", "put → consumer p99 ms"}


def bench(*arguments: str, cap_seconds: float = 100) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "COLUMNS": "80", "PYTHONIOENCODING": "utf-8"}
    command = [sys.executable, "-m", "bench", *arguments]
    return subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=cap_seconds, check=False
    )


@pytest.mark.parametrize(
    "expected",
    [
        pytest.param({"put": THROUGHPUT, "put-transaction": THROUGHPUT, "put-list": THROUGHPUT}, id="put"),
        pytest.param(
            {"sequence": THROUGHPUT, "read": THROUGHPUT, "read-raw": THROUGHPUT, "observe": THROUGHPUT}, id="read"
        ),
        pytest.param({"latency-2000": OBSERVED}, id="latency"),
    ],
)
def test_benchmarks_that_need_no_broker_fill_a_table_and_a_file(
    mongo_uri: str, tmp_path: Path, expected: dict[str, set[str]]
) -> None:
    measures(expected, tmp_path / "bench.json", "--mongo", mongo_uri)


@pytest.mark.parametrize(
    "expected",
    [
        pytest.param({"relay": PROCESS, "sequence-relay": PROCESS}, id="relay"),
        pytest.param({"latency-kafka-2000": CONSUMED}, id="latency"),
    ],
)
def test_benchmarks_of_the_relay_fill_a_table_and_a_file(
    mongo_uri: str, kafka: str, tmp_path: Path, expected: dict[str, set[str]]
) -> None:
    measures(expected, tmp_path / "bench.json", "--mongo", mongo_uri, "--kafka", kafka)


def measures(expected: dict[str, set[str]], file: Path, *servers: str) -> None:
    only = [argument for name in expected for argument in ("--only", name)]
    done = bench("--messages", "200", "--rounds", "1", "--json", str(file), *servers, *only)
    assert done.returncode == 0, done.stderr
    results = json.loads(file.read_text())["results"]
    assert {(each["benchmark"], each["metric"]) for each in results} == {
        (name, metric) for name, metrics in expected.items() for metric in metrics
    }
    for each in results:
        assert each["ours"]["median"] > 0
        assert each["bare"]["median"] > 0
        assert each["ratio"]["low"] == pytest.approx(each["ours"]["median"] / each["bare"]["median"])
        assert each["metric"] in done.stdout


def test_nothing_that_a_benchmark_made_is_left_on_the_server(mongo_uri: str) -> None:
    with pymongo.MongoClient[dict[str, object]](mongo_uri) as client:
        before = set(client.list_database_names())
        done = bench("--messages", "100", "--rounds", "1", "--mongo", mongo_uri, "--only", "read")
        assert done.returncode == 0, done.stderr
        assert set(client.list_database_names()) <= before


def test_a_benchmark_that_does_not_exist_is_refused_with_the_names_of_those_that_do() -> None:
    done = bench("--only", "nonesuch")
    assert done.returncode == 2
    assert "nonesuch" in done.stderr
    assert "put-transaction" in done.stderr


def test_a_broker_that_does_not_answer_is_named_with_what_to_do(mongo_uri: str) -> None:
    done = bench("--messages", "100", "--mongo", mongo_uri, "--kafka", "127.0.0.1:1", "--only", "relay")
    assert done.returncode == 3
    assert "127.0.0.1:1" in done.stderr
    assert "--kafka" in done.stderr
