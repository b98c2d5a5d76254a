"""Archivers that are killed at any moment, two at a time: no half chunk, nothing twice, nothing missing."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pymongo.database import Database

from outbox.archive import Archive
from tests.actors.archiving import put, run_once
from tests.actors.killing import kill_while_put
from tests.actors.order_service import new_outbox

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(600)]

PROCESS = Path(__file__).parent / "processes" / "archive.py"
KILLS = int(os.environ.get("OUTBOX_ARCHIVER_KILLS", "6"))


def test_kills_leave_an_archive_that_has_the_log_once(mongo_uri: str, database: Database[Any], tmp_path: Path) -> None:
    orders, archive = new_outbox(database), Archive(tmp_path)
    command = [sys.executable, str(PROCESS), mongo_uri, database.name, str(tmp_path)]

    def start(many: int) -> list[subprocess.Popen[bytes]]:
        return [subprocess.Popen([*command, format]) for format in ("jsonl", "jsonl.gz")[:many]]

    kill_while_put(orders, KILLS, start, lambda: archive.head, "no archiver has gone on")
    run_once(orders, archive)

    assert list(archive.read()) == list(orders.read())
    assert archive.verify().last == orders.status().head


@pytest.mark.parametrize("kind", ["folder", "mongodb"])
def test_a_kill_at_every_step_of_a_chunk_s_life_leaves_all_of_it_or_nothing(
    kind: str, mongo_uri: str, database: Database[Any], tmp_path: Path
) -> None:
    orders, place = new_outbox(database), str(tmp_path)
    if kind == "mongodb":
        host, _, options = mongo_uri.removeprefix("mongodb://").partition("/")
        place = f"mongodb://{host}/{database.name}.history?{options.partition('?')[2]}"
    arguments = [sys.executable, str(PROCESS), mongo_uri, database.name, place, "-"]
    with subprocess.Popen(arguments, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as archiver:
        for step in itertools.count():
            put(orders, 10)
            ended = answer(archiver, step)
            archive, log = Archive(place), list(orders.read())
            assert list(archive.read()) == log[: archive.head], step
            if ended == 0:
                break
            assert ended == -signal.SIGKILL, step

    assert step >= (14 if kind == "folder" else 4)
    assert archive.verify().last == archive.head == orders.status().head
    assert kind == "mongodb" or not list(tmp_path.rglob("*.tmp"))


def answer(archiver: subprocess.Popen[str], step: int) -> int:
    """Has it archive until that step, and returns how its process ended."""
    assert archiver.stdin is not None
    assert archiver.stdout is not None
    archiver.stdin.write(f"{step}\n")
    archiver.stdin.flush()
    return int(archiver.stdout.readline())
