"""`python -m bench` on tiny counts: it runs, and says what it measured. What it measures is nobody's to assert."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pymongo
import pytest

from bench.workloads.catalogue import CATALOGUE, GROUPS
from relay.encoding.choices import Encoding

ROOT = Path(__file__).parents[2]
THROUGHPUT = {"messages/s"}
ARCHIVE = {"records/s", "CPU µs/record"}
STORED = ARCHIVE | {"MiB"}
FILES = ("jsonl", "jsonl.gz", "jsonl.zst", "parquet")
PROCESS = {"messages/s", "CPU µs/message", "resident MiB"}
WATCHED = {"messages/s", "CPU µs/message", "private MiB"}
OURS_ALONE = {"MiB", "CPU ms/scrape"}
OBSERVED = {f"put → {place} p{percent} ms" for place in ("log", "observer") for percent in (50, 99)}
CONSUMED = {"put → consumer p50 ms", "put → consumer p99 ms"}
KILLED = {"repeated", "missing", "SIGKILL → next record s"}
FAN_OUT = {"records/s", "server's resident MiB"}
PARTS = ("process", "mongod")  # the broker is another one's here: its CPU cannot be seen
EXPECTED = {
    "put": {"put ms"},
    "put-transaction": {"transaction ms"},
    "put-list": {"list of 100 ms"},
    "async-put": {"put ms"},
    "async-put-list": {"list of 100 ms"},
    "async-observe": THROUGHPUT,
    **dict.fromkeys(("sequence", "sequence-full", "read", "read-raw", "observe", "observe-head"), THROUGHPUT),
    **dict.fromkeys((f"archive-write-{format}" for format in FILES), STORED),
    **dict.fromkeys((f"archive-{what}-{format}" for what in ("read", "type") for format in FILES), ARCHIVE),
    "history-read": ARCHIVE,
    **dict.fromkeys(("export", "import", "mirror"), ARCHIVE),
    **dict.fromkeys(("projection", "latest"), THROUGHPUT),
    **dict.fromkeys(("consume", "consume-transaction-100"), THROUGHPUT),
    "consume-transaction-1": {"transaction ms"},
    **dict.fromkeys(("relay", "sequence-relay", "relay-exactly-once"), PROCESS),
    **dict.fromkeys(("relay-listen", "relay-trace"), WATCHED),
    "relay-scrape": WATCHED | OURS_ALONE - {"MiB"},
    **dict.fromkeys(("latency-200", "latency-2000"), OBSERVED),
    **dict.fromkeys(("latency-kafka-200", "latency-kafka-2000"), CONSUMED),
    **{f"encode-{each}": {"CPU µs/record"} for each in get_args(Encoding)},
    **dict.fromkeys((f"fan-out-{each}" for each in (1, 10, 100)), FAN_OUT),
    "deliver": {f"post → {how} p{percent} ms" for how in ("pushed", "polled") for percent in (50, 99)},
    "post": {"posts/s"},
    "start": {"start → first record s"},
    "idle": {"idle: commands/s", "idle: CPU %", "at 200/s: CPU %"},
    **dict.fromkeys(("killed", "killed-exactly-once"), KILLED),
    "costs": {
        *(f"{stage}: {part} CPU µs" for stage in ("put", "put in lists", "sequence", "relay") for part in PARTS),
        *("sequence: messages/s", "relay: messages/s", "log: bytes", "record: bytes"),
    },
}
ALONE = {"killed", "killed-exactly-once", "costs"}
CURVES = {"backlog", "size", "readers", "writers", "shares", "log"}


def bench(*arguments: str, cap_seconds: float = 280) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "COLUMNS": "80", "PYTHONIOENCODING": "utf-8"}
    command = [sys.executable, "-m", "bench", *arguments]
    return subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=cap_seconds, check=False
    )


@pytest.mark.heavy
@pytest.mark.timeout(1800)
def test_every_benchmark_fills_the_table_the_file_and_the_picture(mongo_uri: str, kafka: str, tmp_path: Path) -> None:
    """All in one process: each start of one took as long as what it measured."""
    servers = ("--mongo", mongo_uri, "--kafka", kafka)
    done = bench("run", "--messages", "200", "--rounds", "1", "--into", str(tmp_path), *servers, cap_seconds=1780)
    assert done.returncode == 0, done.stderr
    rows = json.loads((tmp_path / "rows.json").read_text())
    page = (tmp_path / "rows.md").read_text()
    assert {name: set(row["metrics"]) for name, row in rows.items()} == EXPECTED
    assert set(CATALOGUE) == set(EXPECTED)
    for name, row in rows.items():
        for metric, ways in row["metrics"].items():
            assert metric in done.stdout
            assert metric in page
            assert ("bare" in ways) == (name not in ALONE and metric not in OURS_ALONE), name
            assert ways["ours"]["low"] == ways["ours"]["median"] == ways["ours"]["high"] >= 0, name
    pictures = {f"{group}.{kind}" for group in GROUPS for kind in ("png", "svg")}
    assert {file.name for file in tmp_path.iterdir()} == {"rows.json", "rows.md"} | pictures


@pytest.mark.heavy
def test_every_curve_has_its_first_point(mongo_uri: str, kafka: str, tmp_path: Path) -> None:
    servers = ("--mongo", mongo_uri, "--kafka", kafka)
    done = bench("curves", "--messages", "300", "--points", "1", "--into", str(tmp_path), *servers)
    assert done.returncode == 0, done.stderr
    curves = json.loads((tmp_path / "curves.json").read_text())
    assert set(curves) == CURVES
    for name, curve in curves.items():
        assert len(curve["points"]) == 1, name
        assert curve["points"][0]["seconds"] > 0
    assert (tmp_path / "curves.png").exists()
    assert (tmp_path / "curves.svg").exists()


def test_a_benchmark_leaves_no_database_on_the_server(mongo_uri: str) -> None:
    with pymongo.MongoClient[dict[str, object]](mongo_uri) as client:
        before = benchmarks(client)
        done = bench("run", "--messages", "100", "--rounds", "1", "--mongo", mongo_uri, "--only", "read")
        assert done.returncode == 0, done.stderr
        assert benchmarks(client) <= before


def benchmarks(client: pymongo.MongoClient[dict[str, object]]) -> set[str]:
    return {name for name in client.list_database_names() if name.startswith("bench_")}


@pytest.mark.parametrize("command", ["run", "curves"])
def test_what_does_not_exist_is_refused_with_the_names_of_those_that_do(command: str) -> None:
    done = bench(command, "--only", "nonesuch")
    assert done.returncode == 2
    assert "nonesuch" in done.stderr
    assert ("put-transaction" if command == "run" else "readers") in done.stderr


def test_a_broker_that_does_not_answer_is_named_with_what_to_do(mongo_uri: str) -> None:
    done = bench("run", "--messages", "100", "--mongo", mongo_uri, "--kafka", "127.0.0.1:1", "--only", "relay")
    assert done.returncode == 3
    assert "127.0.0.1:1" in done.stderr
    assert "--kafka" in done.stderr
