"""A client with few connections: an outbox that is read keeps one of them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.database import Database

from outbox import Outbox, OutboxError, PoolTooSmall, Record
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
def test_with_two_connections_one_outbox_is_read_and_the_next_when_that_has_ended(small: Database[Document]) -> None:
    records: list[Record[Any]] = []
    with Outbox(small, "a", messages=MESSAGES) as first, Outbox(small, "b", messages=MESSAGES) as second:
        first.observe("earliest").subscribe(records.append)
        first.observe("earliest").subscribe(records.append)
        first.put(placed(1), standalone=True)
        wait_until(lambda: len(records) == 2, 30, "both subscribers to get it")
        with pytest.raises(PoolTooSmall, match="a maxPoolSize of 3 or more"), second.running():
            pass
        first.close()
        with second.running():
            second.put(placed(1), standalone=True)

    assert issubclass(PoolTooSmall, OutboxError)


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
