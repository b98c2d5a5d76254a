"""An administrator who kills what one client has under way on the server, again and again."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

from pymongo import MongoClient
from pymongo.errors import PyMongoError

Document = dict[str, Any]
Kill = Callable[[MongoClient[Document], str], int]
"""Kills of the client of that name, once; how much it was."""


def _of_the_app(mongo: MongoClient[Document], app: str) -> list[Document]:
    return list(mongo.admin.aggregate([{"$currentOp": {"idleCursors": True}}, {"$match": {"appName": app}}]))


def kill_operations(mongo: MongoClient[Document], app: str) -> int:
    ids = [operation["opid"] for operation in _of_the_app(mongo, app) if "opid" in operation]
    for id in ids:
        mongo.admin.command("killOp", op=id)
    return len(ids)


def kill_cursors(mongo: MongoClient[Document], app: str) -> int:
    operations = [operation for operation in _of_the_app(mongo, app) if "cursorId" in operation.get("cursor", {})]
    for operation in operations:
        database, _, collection = operation["ns"].partition(".")
        mongo[database].command("killCursors", collection, cursors=[operation["cursor"]["cursorId"]])
    return len(operations)


def kill_sessions(mongo: MongoClient[Document], app: str) -> int:
    sessions = [{"id": operation["lsid"]["id"]} for operation in _of_the_app(mongo, app) if "lsid" in operation]
    mongo.admin.command("killSessions", sessions)
    return len(sessions)


def kill_all_sessions(mongo: MongoClient[Document], _: str) -> int:
    """Kills the sessions of all clients."""
    mongo.admin.command("killAllSessions", [])
    return 1


KILLS: tuple[Kill, ...] = (kill_operations, kill_cursors, kill_sessions, kill_all_sessions)


@contextlib.contextmanager
def killing(mongo: MongoClient[Document], app: str, kill: Kill) -> Iterator[Callable[[], int]]:
    """Kills again and again inside the `with`; gives a function that says how much it has killed."""
    stop, killed = threading.Event(), [0]

    def work() -> None:
        while not stop.wait(0.02):
            with contextlib.suppress(PyMongoError):  # it may kill itself
                killed[0] += kill(mongo, app)

    thread = threading.Thread(target=work, name="an administrator")
    thread.start()
    try:
        yield lambda: killed[0]
    finally:
        stop.set()
        thread.join()
