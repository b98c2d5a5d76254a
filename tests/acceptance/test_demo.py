"""`relay demo`, as somebody runs it who has just installed it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from bson import Timestamp
from confluent_kafka.admin import AdminClient
from pymongo import MongoClient

import relay
from relay.demo.broker import read_back
from tests.waiting import wait_until

COMMAND = [sys.executable, "-c", "from relay.cli import main; main()", "demo"]
PACKAGES = str(Path(relay.__path__[0]).parent)
FIGURES = ["committed", "aborted", "observed", "relayed", "duplicates", "order_violations", "missing", "seconds"]


class Demo:
    """One running demo; its output is both streams', line by line. `home` is its folder for temporary files."""

    def __init__(self, home: Path, *arguments: str) -> None:
        self.home = home
        self.output = ""
        self._process = subprocess.Popen(
            [*COMMAND, *arguments],
            env={**os.environ, "PYTHONPATH": PACKAGES, "TMPDIR": str(home)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.send_signal = self._process.send_signal
        self.kill = self._process.kill

    def read_until(self, pattern: str) -> re.Match[str]:
        """Reads on until a line matches."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.output += line
            if found := re.search(pattern, line):
                return found
        raise AssertionError(f"ended without {pattern!r}:\n{self.output}")

    def ended(self) -> int:
        """Reads to the end; the exit code."""
        self.output += self._process.communicate(timeout=60)[0]
        return self._process.returncode

    def left(self) -> list[str]:
        """What still bears witness of it: temporary files, processes that use them, and the relay it told of."""
        relays = re.findall(r"^Relay +process (\d+)", self.output, re.MULTILINE)
        processes = [
            command
            for number, command in _processes()
            if (str(self.home) in command or number in relays) and "<defunct>" not in command
        ]
        return [*map(str, self.home.iterdir()), *processes]


def _processes() -> list[list[str]]:
    """Number and command line of each process."""
    listed = subprocess.run(["ps", "-ww", "-eo", "pid=,args="], capture_output=True, text=True, timeout=60, check=True)
    return [line.split(maxsplit=1) for line in listed.stdout.splitlines()]


Start = Callable[..., Demo]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    demos: list[Demo] = []

    def start(*arguments: str) -> Demo:
        demos.append(Demo(tmp_path, *arguments))
        return demos[-1]

    yield start
    for demo in demos:
        demo.kill()
        demo.ended()


def test_it_runs_checks_and_leaves_nothing_behind(start: Start) -> None:
    demo = start("--messages", "300")
    assert demo.ended() == 0, demo.output
    assert "all 300 committed messages are on Kafka" in demo.output
    assert "Every check holds" in demo.output
    assert "\x1b" not in demo.output
    assert demo.left() == []


def test_json_is_the_only_thing_on_stdout() -> None:
    command = [*COMMAND, "--messages", "100", "--json"]
    environment = {**os.environ, "PYTHONPATH": PACKAGES, "RELAY_TOPIC": "not.for.the.demo"}
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=100, check=False)
    assert ended.returncode == 0, ended.stderr
    [line] = ended.stdout.splitlines()
    figures = json.loads(line)
    assert list(figures) == FIGURES
    assert (figures["committed"], figures["observed"], figures["relayed"]) == (100, 100, 100)
    assert (figures["order_violations"], figures["missing"]) == (0, 0)
    assert figures["aborted"] > 0
    assert "Every check holds" in ended.stderr


@pytest.mark.parametrize(
    ("moment", "number"),
    [
        ("^MongoDB", signal.SIGINT),
        ("^Relay", signal.SIGINT),
        ("committed [1-9]", signal.SIGINT),
        ("committed [1-9]", signal.SIGTERM),
    ],
)
def test_ctrl_c_stops_it_tidily_at_any_moment(start: Start, moment: str, number: signal.Signals) -> None:
    demo = start("--messages", "100000")
    demo.read_until(moment)
    demo.send_signal(number)
    assert demo.ended() == 130, demo.output
    assert "Traceback" not in demo.output
    assert demo.output.splitlines()[-1] == "relay demo: interrupted; all that was started has been stopped"
    assert demo.left() == []


def test_nothing_outlives_it_when_it_is_killed(start: Start) -> None:
    demo = start("--messages", "100000")
    demo.read_until("committed [1-9]")
    wait_until(  # a process that is just being made is there twice for a moment
        lambda: len(demo.left()) == 6, 30, "two temporary folders; mongod and the relay, each with its watchdog"
    )
    demo.kill()
    demo.ended()
    wait_until(lambda: demo.left() == [], 30, "processes and files to go")


def test_keep_stays_and_relays_what_is_put_by_hand(start: Start) -> None:
    demo = start("--messages", "50", "--keep")
    uri = demo.read_until("mongosh '(mongodb:[^']+)'")[1]
    kafka, topic = demo.read_until("kcat -b ([^ ]+) -t ([^ ]+)").groups()
    by_hand = {"at": Timestamp(0, 0), "created": datetime.now(UTC), "type": "order.paid", "key": "mine", "headers": {}}
    with MongoClient[dict[str, Any]](uri) as client:
        client.shop["outbox.staging"].insert_one({**by_hand, "data": {"order": "mine", "method": "card"}})
    wait_until(lambda: "mine" in {each.key for each in read_back(kafka, topic)}, 30, "the message on Kafka")
    demo.send_signal(signal.SIGINT)
    assert demo.ended() == 0, demo.output
    assert "Traceback" not in demo.output
    assert demo.left() == []


def test_on_servers_of_ones_own_it_leaves_neither_database_nor_topic(
    start: Start, mongo: MongoClient[Any], mongo_uri: str, kafka: str
) -> None:
    demo = start("--messages", "100", "--mongo", mongo_uri, "--kafka", kafka)
    database = demo.read_until("the database ([^ ,]+)")[1]
    topic = demo.read_until("the topic ([^ ,]+)")[1]
    assert demo.ended() == 0, demo.output
    assert database not in mongo.list_database_names()
    assert topic not in AdminClient({"bootstrap.servers": kafka}).list_topics(timeout=30).topics
    assert demo.left() == []


@pytest.mark.parametrize("servers", [("--mongo", "mongodb://127.0.0.1:1"), ("--kafka", "127.0.0.1:1")])
def test_a_server_that_does_not_answer_ends_it_with_3(start: Start, servers: tuple[str, str]) -> None:
    demo = start(*servers)
    assert demo.ended() == 3, demo.output
    assert "did not answer: " in demo.output
    assert "Traceback" not in demo.output
    assert demo.left() == []


def test_an_address_that_cannot_be_used_ends_it_with_2_and_shows_no_part_of_it(start: Start) -> None:
    demo = start("--mongo", "mongodb://ann:123/sekret@127.0.0.1:1/")
    assert demo.ended() == 2, demo.output
    assert "must be percent-encoded" in demo.output
    assert "sekret" not in demo.output
    assert "Traceback" not in demo.output
