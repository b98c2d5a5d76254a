"""Checks that a server can hold an outbox: a replica set of MongoDB 5.0 or newer, not a service with its protocol."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pymongo import MongoClient
from pymongo.errors import OperationFailure

from outbox.clock import SystemClock
from outbox.errors import UnsupportedServer
from outbox.mongo.calls import time_limit
from outbox.mongo.codec import Document
from outbox.mongo.collections import Collections
from outbox.mongo.server_errors import patient, short_message

_OTHERS = {
    ".docdb.amazonaws.com": "Amazon DocumentDB",
    ".docdb.amazonaws.com.cn": "Amazon DocumentDB",
    ".docdb-elastic.amazonaws.com": "Amazon DocumentDB",
    ".cosmos.azure.com": "Azure Cosmos DB",
    ".documents.azure.com": "Azure Cosmos DB",
    ".cosmos.azure.cn": "Azure Cosmos DB",
    ".cosmos.azure.us": "Azure Cosmos DB",
    ".firestore.goog": "Google Firestore",
    ".oraclecloudapps.com": "Oracle's database API for MongoDB",
}
# BadValue, FailedToParse, CommandNotFound, InvalidOptions, CommandNotSupported, NotImplemented, DocumentDB's "feature
# not supported", Atlas' refusals, and two for an unknown field: codes of a server that has not what was asked for.
_REFUSALS = frozenset({2, 9, 59, 72, 115, 238, 303, 8000, 40414, 40415})

UNCONFIRMED_SECONDS = 5.0
"""After so long without a majority's confirmation something is wrong: leases are lost by then."""
_AGAIN_SECONDS = 0.2
_ANSWER_SECONDS = 2.0


def check_hosts(hosts: Iterable[str]) -> None:
    """Raises UnsupportedServer for a host whose name is of a service that is no MongoDB; asks no server."""
    for host in hosts:
        for suffix, name in _OTHERS.items():
            if host.lower().rstrip(".").endswith(suffix):
                raise UnsupportedServer(
                    f"{host} is {name}: it is not supported, as it has no capped collections like MongoDB's. An outbox "
                    "needs a replica set of MongoDB 5.0 or newer"
                )


@patient
def check_server(collections: Collections) -> None:
    """Raises UnsupportedServer for a server that cannot hold an outbox, and pymongo's errors."""
    client: MongoClient[Any] = collections.client
    check_hosts(host for host, _ in client.topology_description.server_descriptions())
    with time_limit():
        hello = client.admin.command("hello")
    _check_answer(hello)
    with time_limit():
        version = client.admin.command("buildInfo")["version"]
    if int(version.split(".")[0]) < 5:
        raise UnsupportedServer(
            f"this server is MongoDB {version}: snapshot reads outside transactions need 5.0 or newer"
        )


def _check_answer(hello: Document) -> None:
    if hello.get("msg") == "isdbgrid":
        raise UnsupportedServer(
            "this is a mongos, or a serverless tier: a capped collection cannot be sharded, so an outbox needs a "
            "replica set"
        )
    if hello.get("isreplicaset"):
        raise UnsupportedServer("this server's replica set is not initiated yet: run rs.initiate() once")
    if "setName" not in hello:
        raise UnsupportedServer("this server is a standalone: transactions need a replica set (one node is enough)")
    if hello.get("arbiterOnly"):
        others = ", ".join([*hello.get("hosts", ()), *hello.get("passives", ())])
        raise UnsupportedServer(f"this server is an arbiter, which holds no data: give the others' addresses: {others}")


def unconfirmed_seconds(client: MongoClient[Any]) -> float:
    """Returns for how long no majority has confirmed what was written; 0.0 while one does.

    By the primary's own clock; a pause of up to UNCONFIRMED_SECONDS counts as none. Raises pymongo's errors.
    """
    first = _unconfirmed(client)
    if first is None:
        return 0.0
    SystemClock().wait(_AGAIN_SECONDS)  # it may have come just now, after a long rest
    second = _unconfirmed(client)
    return second[1] if second is not None and second[0] == first[0] else 0.0


def unconfirmed(seconds: float) -> str:
    """Says what `unconfirmed_seconds` has found, and what to look at."""
    return (
        f"no majority of MongoDB's nodes has confirmed anything for {seconds:.0f} s, so nothing is numbered nor "
        "delivered: rs.status() says which node is away, or far behind"
    )


def _unconfirmed(client: MongoClient[Any]) -> tuple[object, float] | None:
    """Returns what a majority has confirmed last, and how long ago; None when that is all, or was just now."""
    with time_limit(_ANSWER_SECONDS):
        hello: Document = client.admin.command("hello")
    last = hello.get("lastWrite", {})
    if last.get("opTime") == last.get("majorityOpTime"):
        return None
    seconds: float = (hello["localTime"] - last["majorityWriteDate"]).total_seconds()
    return (last["majorityOpTime"], seconds) if seconds > UNCONFIRMED_SECONDS else None


def no_capped_collections(error: OperationFailure) -> UnsupportedServer | None:
    """Returns the error for a refusal to make a capped collection; None when it says nothing about the server."""
    if error.code not in _REFUSALS:
        return None
    return UnsupportedServer(
        f"this server makes no capped collection such as the log has to be ({short_message(error)}). Services that "
        "only speak MongoDB's protocol, and the free and serverless tiers of some, have none: take a replica set of "
        "MongoDB"
    )
