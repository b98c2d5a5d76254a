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
    found = [each["opid"] for each in _of_the_app(mongo, app) if "opid" in each]
    for each in found:
        mongo.admin.command("killOp", op=each)
    return len(found)


def kill_cursors(mongo: MongoClient[Document], app: str) -> int:
    found = [each for each in _of_the_app(mongo, app) if "cursorId" in each.get("cursor", {})]
    for each in found:
        database, _, collection = each["ns"].partition(".")
        mongo[database].command("killCursors", collection, cursors=[each["cursor"]["cursorId"]])
    return len(found)


def kill_sessions(mongo: MongoClient[Document], app: str) -> int:
    found = [{"id": each["lsid"]["id"]} for each in _of_the_app(mongo, app) if "lsid" in each]
    mongo.admin.command("killSessions", found)
    return len(found)


def kill_all_sessions(mongo: MongoClient[Document], _: str) -> int:
    """Those of everybody."""
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
