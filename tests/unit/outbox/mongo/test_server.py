"""Services that only speak MongoDB's protocol are told by the names of their hosts; nobody is asked."""

from __future__ import annotations

import warnings
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pymongo import MongoClient

from outbox import Outbox
from outbox.errors import UnsupportedServer
from outbox.mongo.server import check_hosts, unconfirmed_seconds
from relay.connection import connected
from tests.actors.order_service import MESSAGES

HOSTS = [
    ("orders.cluster-abc.eu-west-1.docdb.amazonaws.com", "Amazon DocumentDB"),
    ("orders-1.eu-west-1.docdb-elastic.amazonaws.com", "Amazon DocumentDB"),
    ("orders.mongo.cosmos.azure.com", "Azure Cosmos DB"),
    ("ORDERS.mongocluster.cosmos.azure.com.", "Azure Cosmos DB"),
    ("orders.documents.azure.com", "Azure Cosmos DB"),
]


@pytest.mark.parametrize(("host", "name"), HOSTS)
def test_an_outbox_says_that_it_is_not_supported(host: str, name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # the driver's own, for one that is only compatible
        client = MongoClient[dict[str, Any]](f"mongodb://{host}:27017/?replicaSet=rs0&tls=true", connect=False)

    with pytest.raises(UnsupportedServer, match=f"is {name}: it is not supported, as it has no capped collections"):
        Outbox(client.shop, messages=MESSAGES).create()


@pytest.mark.parametrize("scheme", ["mongodb://ann:pass@", "mongodb+srv://"])
@pytest.mark.parametrize(("host", "name"), HOSTS)
def test_the_relay_says_so_before_it_connects(scheme: str, host: str, name: str) -> None:
    with pytest.raises(UnsupportedServer, match=f"is {name}"):
        connected(f"{scheme}{host}/?tls=true&retryWrites=false")


@pytest.mark.parametrize(
    "host", ["localhost", "db.amazonaws.com", "docdb.amazonaws.com.example.org", "cluster0.abc.mongodb.net"]
)
def test_other_hosts_are_not_meant(host: str) -> None:
    check_hosts([host])


class Primary:
    """A client of a primary that answers `hello` with these, one after another: what was written and what a majority
    has, as numbers, and how many seconds ago that was."""

    def __init__(self, *answers: tuple[int, int, float]) -> None:
        self.admin: Any = self
        self._answers = list(answers)

    def command(self, _: str) -> dict[str, Any]:
        written, confirmed, ago = self._answers.pop(0)
        now = datetime(2025, 1, 2, 12, tzinfo=UTC)
        last = {"opTime": written, "majorityOpTime": confirmed, "majorityWriteDate": now - timedelta(seconds=ago)}
        return {"localTime": now, "lastWrite": last}


@pytest.mark.parametrize(
    ("answers", "seconds"),
    [
        ([(7, 7, 60)], 0),
        ([(8, 7, 4)], 0),
        ([(8, 7, 60), (8, 8, 0)], 0),
        ([(8, 7, 7), (9, 7, 7.2)], 7.2),
    ],
    ids=["all is confirmed", "it takes a moment", "it came after a long rest", "it does not come"],
)
def test_a_majority_that_confirms_nothing_is_seen(answers: list[tuple[int, int, float]], seconds: float) -> None:
    primary: Any = Primary(*answers)

    assert unconfirmed_seconds(primary) == seconds
