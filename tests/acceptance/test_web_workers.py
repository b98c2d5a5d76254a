"""gunicorn with several workers, uvicorn's or its own: the rule of the fork, one that numbers, and a clean end."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from pymongo import MongoClient
from pymongo.database import Database

from outbox import Outbox
from tests.acceptance.example import PACKAGES
from tests.actors.order_service import new_outbox
from tests.servers.ports import free_port
from tests.waiting import wait_until

ROOT = Path(__file__).parents[2]
PREFORK = ["--preload", "--workers", "3", "--graceful-timeout", "5", "--worker-class"]
WORKERS = ["uvicorn_worker.UvicornWorker", "asgi"]
APP = "tests.acceptance.processes.web_workers:app"


@contextlib.contextmanager
def gunicorn(
    mongo_uri: str, database: Database[Any], workers: str, **environment: str
) -> Iterator[tuple[int, subprocess.Popen[str]]]:
    port = free_port()
    program = subprocess.Popen(
        [sys.executable, "-m", "gunicorn", *PREFORK, workers, "--bind", f"127.0.0.1:{port}", APP],
        cwd=ROOT,
        env={
            **os.environ,
            "PYTHONPATH": f"{PACKAGES}{os.pathsep}{ROOT}",
            "MONGO_URI": mongo_uri,
            "DATABASE": database.name,
            **environment,
        },
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield port, program
    finally:
        if program.poll() is None:
            program.kill()
        program.communicate(timeout=30)


def connections(mongo: MongoClient[Any]) -> int:
    """The connections that the workers have."""
    operations = mongo.admin.aggregate([{"$currentOp": {"allUsers": True, "idleConnections": True}}])
    return sum(each.get("appName") == "web-workers" for each in operations)


@pytest.mark.heavy
@pytest.mark.parametrize("worker_class", WORKERS)
def test_every_worker_puts_one_numbers_and_sigterm_ends_them_all(
    mongo_uri: str, database: Database[Any], mongo: MongoClient[Any], worker_class: str
) -> None:
    with new_outbox(database, sequence=False) as orders, gunicorn(mongo_uri, database, worker_class) as (port, program):
        workers: set[int] = set()
        placed = 0

        def place() -> bool:
            nonlocal placed
            with contextlib.suppress(httpx2.TransportError):  # until the workers listen
                answer = httpx2.post(f"http://127.0.0.1:{port}/{placed}", timeout=30)
                assert answer.status_code == 200
                placed += 1
                workers.add(answer.json())
            return len(workers) == 3

        wait_until(place, 60, "all three workers to have put")
        wait_until(lambda: database.bills.count_documents({}) == placed, 60, "all to be billed")
        holder = orders.status().holder
        assert holder is not None
        assert int(holder.split(":")[1]) in workers
        assert len(database.bills.distinct("by")) == 1
        assert connections(mongo) > 0

        program.send_signal(signal.SIGTERM)
        assert program.wait(30) == 0
        wait_until(lambda: connections(mongo) == 0, 30, "the connections to be closed")
        assert orders.status().holder is None
        assert [record.message.total for record in orders.read()] != []
        assert len(list(orders.read())) == placed


@pytest.mark.heavy
@pytest.mark.parametrize("worker_class", WORKERS)
def test_an_outbox_that_was_made_before_the_fork_is_refused_at_the_start(
    mongo_uri: str, database: Database[Any], worker_class: str
) -> None:
    with Outbox(database), gunicorn(mongo_uri, database, worker_class, TOO_EARLY="1") as (_, program):
        said = program.communicate(timeout=60)[1]
    assert program.returncode != 0
    assert "this Outbox was made before the process forked" in said
