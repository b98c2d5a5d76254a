"""Services that only speak MongoDB's protocol are told by the names of their hosts; nobody is asked."""

from __future__ import annotations

import warnings
from typing import Any

import pytest
from pymongo import MongoClient

from outbox import Outbox
from outbox.errors import UnsupportedServer
from outbox.mongo.server import check_hosts
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
