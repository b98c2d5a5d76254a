"""The embedded MongoDB keeps what it is told to keep, and never outlives its process."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient

import outbox.embedded.mongo
from outbox.embedded.mongo import EmbeddedMongo
from outbox.errors import EmbeddedUnavailable
from tests.actors.processes import runs
from tests.waiting import wait_until

Document = dict[str, Any]


def test_it_takes_transactions_and_leaves_no_data_behind() -> None:
    with EmbeddedMongo() as mongo:
        path = mongo.path
        with MongoClient[Document](mongo.uri) as client, client.start_session() as session, session.start_transaction():
            client.shop.orders.insert_one({"_id": 1}, session=session)

    assert path is not None
    assert not path.exists()


def test_it_finds_the_data_of_a_given_folder_again_on_another_port(tmp_path: Path) -> None:
    with EmbeddedMongo(tmp_path) as first, MongoClient[Document](first.uri) as client:
        client.shop.orders.insert_one({"_id": 1})

    with EmbeddedMongo(tmp_path) as second, MongoClient[Document](second.uri) as client:
        assert second.port != first.port
        assert client.shop.orders.find_one() == {"_id": 1}


def test_a_killed_one_starts_again_with_what_it_acknowledged(tmp_path: Path) -> None:
    with EmbeddedMongo(tmp_path) as mongo:
        with MongoClient[Document](mongo.uri) as client:
            client.shop.orders.insert_one({"_id": 1})
        mongo.kill()
        mongo.start()

        with MongoClient[Document](mongo.uri) as client:
            assert client.shop.orders.find_one() == {"_id": 1}


def test_a_port_taken_meanwhile_is_replaced_by_another(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        free_port = outbox.embedded.mongo._free_port
        ports = iter([taken.getsockname()[1]])
        monkeypatch.setattr("outbox.embedded.mongo._free_port", lambda: next(ports, None) or free_port())

        with EmbeddedMongo() as mongo:
            assert mongo.port != taken.getsockname()[1]


def test_a_given_port_that_is_taken_is_an_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        with pytest.raises(EmbeddedUnavailable, match=f"port {port} .* is in use"):
            EmbeddedMongo(port=port).start()


def test_it_dies_with_a_process_that_is_killed_and_leaves_no_data_behind() -> None:
    script = (
        "import sys, outbox.embedded as e; m = e.EmbeddedMongo(); m.launch(); "
        "print(m.pid, m.path, flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-P", "-c", script]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        pid, path = process.stdout.readline().split()
        process.send_signal(signal.SIGKILL)

    wait_until(lambda: not runs(int(pid)), 30, "the mongod to end")
    wait_until(lambda: not Path(path).exists(), 30, "its folder to go")
