"""A client with few connections: an outbox that is read keeps one of them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.database import Database

from outbox import Outbox, PoolTooSmall, Record
from outbox.readers.pool import LOOK_SECONDS, connection_held
from tests.actors.order_service import MESSAGES, new_outbox, placed
from tests.actors.relay_command import RelayCommand
from tests.waiting import wait_until

Document = dict[str, Any]


@pytest.fixture
def small(mongo_uri: str, database: Database[Document], request: pytest.FixtureRequest) -> Iterator[Database[Document]]:
    """The test's database, by a client with as many connections as the test says."""
    for name in ("a", "b"):
        new_outbox(database, name=name)
    with MongoClient[Document](mongo_uri, maxPoolSize=request.param) as client:
        yield client[database.name]


@pytest.mark.parametrize("small", [1], indirect=True)
def test_with_one_connection_a_subscriber_is_told_and_a_put_works(small: Database[Document]) -> None:
    failed, errors = threading.Event(), list[Exception]()

    def fail(error: Exception) -> None:
        errors.append(error)
        failed.set()

    with Outbox(small, "a", messages=MESSAGES) as orders:
        orders.observe().subscribe(on_error=fail)
        assert failed.wait(30)
        orders.put(placed(1), standalone=True)
        assert orders.sequence() == 1
        assert [record.seq for record in orders.read()] == [1]

    assert isinstance(errors[0], PoolTooSmall)
    assert str(errors[0]).startswith("maxPoolSize=1 is too small to read ")
    assert "a maxPoolSize of 2 or more" in str(errors[0])


@pytest.mark.parametrize("small", [2], indirect=True)
def test_with_two_connections_two_outboxes_are_read_and_it_is_said_that_one_is_only_looked_at(
    small: Database[Document], caplog: pytest.LogCaptureFixture
) -> None:
    """Goes red when each keeps a connection: nothing is left for all else, and nothing is delivered for ever."""
    with Outbox(small, "a", messages=MESSAGES) as first, Outbox(small, "b", messages=MESSAGES) as second:
        for outbox in (first, second):
            records: list[Record[Any]] = []
            outbox.observe("earliest").subscribe(records.append)
            for n in range(3):
                outbox.put(placed(n), standalone=True)
                wait_until(lambda n=n, records=records: len(records) == n + 1, 30, "the record")

    (said,) = [each.getMessage() for each in caplog.records if "maxPoolSize" in each.getMessage()]
    assert said.startswith(f"{small.name}.b is looked at every 0.5 s, for maxPoolSize=2 leaves it no connection")


@pytest.mark.parametrize("small", [2], indirect=True)
def test_what_another_process_appends_is_seen_without_a_connection_to_wait_on(
    small: Database[Document], database: Database[Document]
) -> None:
    records: list[Record[Any]] = []
    with (
        Outbox(small, "a", messages=MESSAGES) as first,
        Outbox(small, "b", messages=MESSAGES, sequence=False) as second,
        Outbox(database, "b", messages=MESSAGES) as other,
        first.running(),
        other.running(),
    ):
        second.observe("earliest").subscribe(records.append)
        for n in range(3):
            other.put(placed(n), standalone=True)
            wait_until(lambda n=n: len(records) == n + 1, 30, "the record")


def test_an_outbox_that_ends_leaves_its_connection_to_the_next(mongo_uri: str) -> None:
    with MongoClient[Document](mongo_uri, maxPoolSize=2) as client:
        with connection_held(client, "a") as first, connection_held(client, "b") as second:
            assert (first, second) == (0.0, LOOK_SECONDS)
        with connection_held(client, "c") as third:
            assert third == 0.0


def test_a_pool_without_a_limit_has_one_for_each(mongo_uri: str) -> None:
    with (
        MongoClient[Document](mongo_uri, maxPoolSize=0) as client,
        connection_held(client, "a") as first,
        connection_held(client, "b") as second,
    ):
        assert (first, second) == (0.0, 0.0)


@pytest.mark.parametrize("most", ["0", "1", "2"])
def test_the_command_takes_the_connections_that_its_outboxes_need(
    relay: RelayCommand, database: Database[Document], mongo_uri: str, most: str
) -> None:
    for name in ("a", "b"):
        new_outbox(database, name=name).put(placed(1), standalone=True)
    settings = f"mongo = '{mongo_uri}&maxPoolSize={most}'\n[[outbox]]\noutbox = 'a'\n[[outbox]]\noutbox = 'b'\n"
    (relay.folder / "relay.toml").write_text(settings)

    done = relay.without("mongo")("run", "--once", "--config", str(relay.folder / "relay.toml"))

    assert done.returncode == 0, done.stderr
    assert done.stderr.count("delivered 1 message(s)") == 2
