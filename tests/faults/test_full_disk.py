"""The server's disk is full: mongod ends itself, and is started again when there is space."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from bson import ObjectId
from pymongo import MongoClient
from pymongo.errors import PyMongoError

from outbox.embedded.mongo import EmbeddedMongo
from relay import Relay
from relay.testing import MemorySink
from tests.actors.order_service import new_outbox, placed
from tests.actors.relay_thread import Relaying
from tests.servers.tampered import NoCompiler, Tampered
from tests.servers.unavailable import unavailable
from tests.waiting import wait_until

pytestmark = [
    pytest.mark.heavy,
    pytest.mark.timeout(240),
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="preloads a library"),
]


@pytest.fixture
def world(tmp_path: Path) -> Tampered:
    try:
        return Tampered(tmp_path, "server")
    except NoCompiler as error:
        unavailable("full disk", error)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def server(world: Tampered, data: Path) -> Iterator[EmbeddedMongo]:
    """Its data outlive it."""
    server = EmbeddedMongo(data)
    with world.given():
        server.start()
    yield server
    server.kill()


def test_a_put_fails_loudly_and_nothing_acknowledged_is_lost(
    server: EmbeddedMongo, world: Tampered, data: Path
) -> None:
    """Goes red when writes are acknowledged before they are in the journal, as with `w: 1`."""
    acknowledged: list[ObjectId] = []
    refused: list[PyMongoError] = []
    stop = threading.Event()
    with (
        MongoClient[dict[str, Any]](server.uri, serverSelectionTimeoutMS=2000) as client,
        new_outbox(client.shop) as orders,
    ):

        def write() -> None:
            while not stop.is_set():
                try:
                    acknowledged.append(orders.put(placed(len(acknowledged)), standalone=True))
                except PyMongoError as error:
                    refused.append(error)

        sink = MemorySink()
        writer = threading.Thread(target=write)
        with Relaying(Relay(orders, sink, lease_seconds=1)):
            writer.start()
            wait_until(lambda: len(sink.records) > 100, 60, "the first records")
            world.fill_disk(full=True)
            wait_until(lambda: server.exit_code is not None, 60, "mongod to end")
            assert "No space left on device" in (data / "mongod.log").read_text()
            wait_until(lambda: refused, 60, "a put to be refused")
            before = len(acknowledged)
            server.kill()
            world.fill_disk(full=False)
            with world.given():
                server.launch()
            wait_until(lambda: len(acknowledged) > before + 100, 60, "puts to succeed again")
            stop.set()
            writer.join()
            wait_until(lambda: orders.status().staging == 0, 60, "staging to be empty")
            wait_until(lambda: len({each.seq for each in sink.records}) == orders.log.head(), 60, "all to be delivered")

        found = [(record.seq, record.id) for record in orders.read(1)]

    delivered = {ObjectId(dict(record.headers)["id"].decode()) for record in sink.records}
    assert [seq for seq, _ in found] == list(range(1, len(found) + 1))
    assert len({id for _, id in found}) == len(found)
    assert set(acknowledged) <= delivered == {id for _, id in found}
