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
EXPECTED = {
    **dict.fromkeys(("put", "put-transaction", "put-list", "sequence", "read", "read-raw", "observe"), THROUGHPUT),
    **dict.fromkeys(("relay", "sequence-relay"), PROCESS),
    **dict.fromkeys(("latency-200", "latency-2000"), OBSERVED),
    **dict.fromkeys(("latency-kafka-200", "latency-kafka-2000"), CONSUMED),
}


def bench(*arguments: str, cap_seconds: float = 200) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "COLUMNS": "80", "PYTHONIOENCODING": "utf-8"}
    command = [sys.executable, "-m", "bench", *arguments]
    return subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=cap_seconds, check=False
    )


def test_every_benchmark_fills_the_table_and_the_file(mongo_uri: str, kafka: str, tmp_path: Path) -> None:
    file = tmp_path / "bench.json"
    done = bench("--messages", "200", "--rounds", "1", "--json", str(file), "--mongo", mongo_uri, "--kafka", kafka)
    assert done.returncode == 0, done.stderr
    results = json.loads(file.read_text())["results"]
    measured = {name: {each["metric"] for each in results if each["benchmark"] == name} for name in EXPECTED}
    assert measured == EXPECTED
    for each in results:
        assert each["ours"]["median"] > 0
        assert each["bare"]["median"] > 0
        assert each["ratio"]["low"] == pytest.approx(each["ours"]["median"] / each["bare"]["median"])
        assert each["metric"] in done.stdout


def test_a_benchmark_leaves_no_database_on_the_server(mongo_uri: str) -> None:
    with pymongo.MongoClient[dict[str, object]](mongo_uri) as client:
        before = benchmarks(client)
        done = bench("--messages", "100", "--rounds", "1", "--mongo", mongo_uri, "--only", "read")
        assert done.returncode == 0, done.stderr
        assert benchmarks(client) <= before


def benchmarks(client: pymongo.MongoClient[dict[str, object]]) -> set[str]:
    return {name for name in client.list_database_names() if name.startswith("bench_")}


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
