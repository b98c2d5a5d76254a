"""An administrator kills what an outbox has under way, again and again: nothing ends, and nothing is lost."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.database import Database
from pymongo.errors import PyMongoError

from outbox import Outbox
from relay import Relay
from relay.testing import MemorySink
from tests.actors.order_service import new_outbox, placed, totals
from tests.actors.relay_thread import Relaying
from tests.actors.subscriber import Subscriber
from tests.waiting import wait_until

Document = dict[str, Any]
APP = "a client that is killed"
ENOUGH = 8
Kill = Callable[[MongoClient[Document]], int]


def _of_the_app(mongo: MongoClient[Document]) -> list[Document]:
    return list(mongo.admin.aggregate([{"$currentOp": {"idleCursors": True}}, {"$match": {"appName": APP}}]))


def kill_operations(mongo: MongoClient[Document]) -> int:
    found = [each["opid"] for each in _of_the_app(mongo) if "opid" in each]
    for each in found:
        mongo.admin.command("killOp", op=each)
    return len(found)


def kill_cursors(mongo: MongoClient[Document]) -> int:
    found = [each for each in _of_the_app(mongo) if "cursorId" in each.get("cursor", {})]
    for each in found:
        database, _, collection = each["ns"].partition(".")
        mongo[database].command("killCursors", collection, cursors=[each["cursor"]["cursorId"]])
    return len(found)


def kill_sessions(mongo: MongoClient[Document]) -> int:
    found = [{"id": each["lsid"]["id"]} for each in _of_the_app(mongo) if "lsid" in each]
    mongo.admin.command("killSessions", found)
    return len(found)


def kill_all_sessions(mongo: MongoClient[Document]) -> int:
    mongo.admin.command("killAllSessions", [])
    return 1


@contextlib.contextmanager
def killing(mongo: MongoClient[Document], kill: Kill) -> Iterator[Callable[[], int]]:
    """Kills again and again inside the `with`; gives a function that says how much it has killed."""
    stop, killed = threading.Event(), [0]

    def work() -> None:
        while not stop.wait(0.02):
            with contextlib.suppress(PyMongoError):  # it may kill itself
                killed[0] += kill(mongo)

    thread = threading.Thread(target=work, name="an administrator")
    thread.start()
    try:
        yield lambda: killed[0]
    finally:
        stop.set()
        thread.join()


def delivered(sink: MemorySink) -> set[int]:
    return {json.loads(each.value)["total"] for each in sink.records if each.value is not None}


@pytest.mark.parametrize("shares", [1, 2])
@pytest.mark.parametrize("kill", [kill_operations, kill_cursors, kill_sessions, kill_all_sessions])
def test_relay_sequencer_and_subscriber_go_on(
    mongo_uri: str, mongo: MongoClient[Document], database: Database[Document], kill: Kill, shares: int
) -> None:
    sink, subscriber = MemorySink(), Subscriber()
    with (
        MongoClient[Document](mongo_uri, appname=APP) as killed,
        new_outbox(database, sequence=False) as service,
        Outbox(killed[database.name]) as orders,
        Relaying(Relay(orders, sink, shares=shares, chance=lambda: 0.0)) as relaying,
    ):
        orders.observe("earliest").subscribe(subscriber)
        tried, put = 0, set()
        with killing(mongo, kill) as count:
            while tried < 40 or (count() < ENOUGH and tried < 4_000):
                with contextlib.suppress(PyMongoError):  # all sessions are also the service's
                    service.put(placed(tried, order_id=str(tried)), standalone=True)
                    put.add(tried)
                tried += 1
        wait_until(lambda: relaying.ended or put <= delivered(sink), 60, "all to be delivered")
        wait_until(lambda: subscriber.errors or put <= set(totals(subscriber.records)), 60, "all to be seen")

    assert subscriber.errors == []
    assert count() >= ENOUGH
