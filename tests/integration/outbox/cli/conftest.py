"""The application `shop`, and a shell in its folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.database import Database

from outbox import Outbox
from tests.actors.order_service import MESSAGES
from tests.integration.outbox.cli.shell import APPLICATION, Shell


@pytest.fixture
def shell(mongo_uri: str, database: Database[Any], tmp_path: Path) -> Iterator[Shell]:
    stranger = mongo_uri.replace("://", "://nobody:hunter2@")
    (tmp_path / "shop.py").write_text(APPLICATION.format(uri=mongo_uri, stranger=stranger, database=database.name))
    shell = Shell(tmp_path)
    yield shell
    for process in shell.started:
        process.kill()
        process.communicate()


@pytest.fixture
def orders(mongo: MongoClient[Any], database: Database[Any]) -> Iterator[Outbox]:
    """The same outbox, in the test's own process, which sequences only when told to."""
    with Outbox(database, messages=MESSAGES, sequence=False) as orders:
        orders.create()
        yield orders
