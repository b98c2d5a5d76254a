"""Questions about a log that is full and written to are answered, though its oldest end overtakes their scans."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest
from pymongo import MongoClient
from pymongo.database import Database
from pymongo.errors import OperationFailure

from outbox import Outbox
from outbox.clock import SystemClock
from outbox.log.retention import Retention
from outbox.log.retry_overtaken import retry_overtaken
from outbox.shares.cursor_admin import move
from relay.monitoring.status import relay_status
from tests.actors.order_service import Document
from tests.actors.small_log import CAP, put_large, register, small_outbox

DAY = datetime(2020, 1, 1, tzinfo=UTC)

ASK: dict[str, Callable[[Outbox], object]] = {
    "status": lambda outbox: outbox.status().cursors,
    "relay status": lambda outbox: relay_status(outbox, "kafka").cursor,
    "read": lambda outbox: [record.seq for record in outbox.read()],
    "read from a date": lambda outbox: [record.seq for record in outbox.read(DAY)],
    "reader": lambda outbox: outbox.reader("latest").close(),
    "cursor set": lambda outbox: move(outbox.collections, "relay:kafka", outbox.log.head(), SystemClock()),
    "cursor set to a date": lambda outbox: move(outbox.collections, "relay:kafka", DAY, SystemClock()),
    "oldest": lambda outbox: outbox.log.oldest(),
    "head": lambda outbox: outbox.log.head(),
    "at": lambda outbox: outbox.log.record_at(outbox.log.head()),
    "batch_start": lambda outbox: outbox.log.batch_start(outbox.log.head()),
    "ids_since": lambda outbox: outbox.log.ids_since(outbox.log.oldest()),
    "since": lambda outbox: outbox.log.batches_from(outbox.log.oldest(), 10),
    "retention": lambda outbox: Retention(outbox.collections, 0).spare(1, CAP, outbox.log.head()),
}


@pytest.fixture
def full(database: Database[Document]) -> Outbox:
    outbox = small_outbox(database)
    put_large(outbox, 12)
    register(outbox, "relay:kafka", outbox.log.oldest() + 1)
    return outbox


@contextmanager
def overtaken_at_first(client: MongoClient[Document], log: str) -> Iterator[None]:
    """The first three reads of the log fail."""
    data = {"failCommands": ["find", "aggregate", "count"], "errorCode": 136, "namespace": log}
    client.admin.command("configureFailPoint", "failCommand", mode={"times": 3}, data=data)
    try:
        yield
    finally:
        client.admin.command("configureFailPoint", "failCommand", mode="off")


@pytest.mark.parametrize("ask", ASK)
def test_each_is_answered(full: Outbox, ask: str) -> None:
    with overtaken_at_first(full.collections.client, full.collections.log.full_name):
        ASK[ask](full)


def test_any_other_error_is_raised_at_once() -> None:
    calls: list[int] = []

    @retry_overtaken
    def read() -> None:
        calls.append(1)
        raise OperationFailure("no", 13)

    with pytest.raises(OperationFailure):
        read()
    assert calls == [1]
