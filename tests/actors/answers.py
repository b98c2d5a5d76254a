"""A server that answers some commands with an error of the test's choice, to one client only: by fail points."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.errors import OperationFailure

Document = dict[str, Any]


@contextlib.contextmanager
def answering(
    mongo: MongoClient[Document], app: str, commands: Sequence[str], times: int | None = None, **answer: Any
) -> Iterator[None]:
    """The next `times` such commands of the client named `app` (None: all of them) are answered so.

    answer: errorCode, errorLabels, writeConcernError, closeConnection. Fails when as many did not come.
    """
    data = {"failCommands": list(commands), "appName": app, **answer}
    mode: Any = "alwaysOn" if times is None else {"times": times}
    try:
        before = mongo.admin.command("configureFailPoint", "failCommand", mode=mode, data=data)
    except OperationFailure:
        pytest.skip("this server has no fail points: mongod --setParameter enableTestCommands=1")
    try:
        yield
        left = mongo.admin.command("configureFailPoint", "failCommand", mode="off")
        assert left["count"] - before["count"] >= (1 if times is None else times), "nobody met the answer"
    finally:
        mongo.admin.command("configureFailPoint", "failCommand", mode="off")
