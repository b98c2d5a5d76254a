"""What the acceptance tests share: a ledger in a database of its own, and processes that end with the test."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pymongo.database import Database

from tests.acceptance.ledger import Ledger
from tests.acceptance.process import Process
from tests.acceptance.topic import PARTITIONS, Topic
from tests.servers.kafka import create_topic

Start = Callable[..., Process]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts a script of processes/ with arguments."""
    started: list[Process] = []

    def start(script: str, *arguments: object) -> Process:
        started.append(Process(tmp_path / f"{len(started)}-{script}.log", script, *arguments))
        return started[-1]

    yield start
    for process in started:
        process.end()


@pytest.fixture
def ledger(database: Database[dict[str, Any]]) -> Ledger:
    """Accounts and an outbox, not created yet."""
    return Ledger(database)


@pytest.fixture
def ledger_topic(kafka: str, topic_name: str) -> Iterator[Topic]:
    """A new, empty topic for the ledger's entries."""
    create_topic(kafka, topic_name, PARTITIONS)
    with contextlib.closing(Topic(kafka, topic_name)) as topic:
        yield topic


@pytest.fixture
def transactions_ended(database: Database[dict[str, Any]]) -> Iterator[None]:
    """Ends, after the test, the transactions that killed processes have left open: for a minute, or until the end of
    their time, the database could not be dropped."""
    yield
    database.client.admin.command("killAllSessions", [])
