"""The command line's connections to MongoDB: one client a server, however many outboxes are on it."""

from __future__ import annotations

import contextlib
import re
from typing import Any

import pymongo
from pymongo import MongoClient
from pymongo.errors import ConfigurationError, InvalidURI, PyMongoError

from outbox import Outbox
from relay.errors import InvalidSettings, Unreachable
from relay.settings import OutboxSettings, Settings

CONNECT_SECONDS = 5.0

Opened = list[tuple[OutboxSettings, Outbox]]


def opened_outboxes(settings: Settings, stack: contextlib.ExitStack) -> Opened:
    """Opens the outboxes; `stack` closes them and their clients. Raises InvalidSettings, InvalidName, Unreachable."""
    clients: dict[str, MongoClient[dict[str, Any]]] = {}
    opened = []
    for each in settings.outboxes:
        uri = each.mongo.get_secret_value()
        if uri not in clients:
            clients[uri] = stack.enter_context(_connected(uri))
        opened.append((each, stack.enter_context(Outbox(clients[uri][each.database], each.outbox))))
    return opened


def _connected(uri: str) -> MongoClient[dict[str, Any]]:
    try:
        client: MongoClient[dict[str, Any]] = MongoClient(uri, appname="mongo-outbox relay")
    except (ConfigurationError, InvalidURI, ValueError) as error:
        raise InvalidSettings(f"--mongo: {error}") from None
    try:
        with pymongo.timeout(CONNECT_SECONDS):
            client.admin.command("ping")
    except PyMongoError as error:
        client.close()
        # What follows the reason describes the whole topology and the client's own settings.
        reason = re.split(r", Timeout: | \(configured timeouts", str(error))[0]
        raise Unreachable(f"MongoDB did not answer: {reason}") from error
    return client
