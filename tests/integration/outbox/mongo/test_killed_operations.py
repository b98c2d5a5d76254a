"""An administrator kills what an outbox has under way, again and again: nothing ends, and nothing is lost."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.database import Database
from pymongo.errors import PyMongoError

from outbox import Outbox
from relay import Relay
from relay.testing import MemorySink
from tests.actors.administrator import KILLS, Kill, killing
from tests.actors.order_service import new_outbox, placed, totals
from tests.actors.relay_thread import Relaying
from tests.actors.subscriber import Subscriber
from tests.waiting import wait_until

Document = dict[str, Any]
APP = "a client that is killed"
ENOUGH = 8


def delivered(sink: MemorySink) -> set[int]:
    return {json.loads(each.value)["total"] for each in sink.records if each.value is not None}


@pytest.mark.parametrize("shares", [1, 2])
@pytest.mark.parametrize("kill", KILLS)
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
        with killing(mongo, APP, kill) as count:
            while tried < 40 or (count() < ENOUGH and tried < 4_000):
                with contextlib.suppress(PyMongoError):  # all sessions are also the service's
                    service.put(placed(tried, order_id=str(tried)), standalone=True)
                    put.add(tried)
                tried += 1
        wait_until(lambda: relaying.ended or put <= delivered(sink), 60, "all to be delivered")
        wait_until(lambda: subscriber.errors or put <= set(totals(subscriber.records)), 60, "all to be seen")

    assert subscriber.errors == []
    assert count() >= ENOUGH
