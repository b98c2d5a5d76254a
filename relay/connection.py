"""The command line's connections to MongoDB: one client a server, however many outboxes are on it."""

from __future__ import annotations

import contextlib
import warnings
from typing import Any

import pymongo
from pymongo import MongoClient
from pymongo.errors import ConfigurationError, InvalidName, OperationFailure, PyMongoError

from outbox import Outbox
from outbox.creation import check_server
from outbox.transient import is_transient, patiently
from outbox.wording import in_short
from relay.address import check_address, without_values
from relay.errors import InvalidSettings, Unreachable
from relay.settings import OutboxSettings, Settings

CONNECT_SECONDS = 5.0

Opened = list[tuple[OutboxSettings, Outbox]]


def opened_outboxes(settings: Settings, stack: contextlib.ExitStack) -> Opened:
    """Opens the outboxes; `stack` closes them and their clients.

    Raises InvalidSettings, outbox's InvalidName, Unreachable, UnsupportedServer.
    """
    clients: dict[str, MongoClient[dict[str, Any]]] = {}
    opened = []
    for each in settings.outboxes:
        uri = each.mongo.get_secret_value()
        if uri not in clients:
            clients[uri] = stack.enter_context(connected(uri, appname="mongo-outbox relay"))
        try:
            database = clients[uri][each.database]
        except InvalidName as error:
            raise InvalidSettings(f"the database's name {each.database!r}: {error}") from None
        outbox = stack.enter_context(Outbox(database, each.outbox, sequence=each.sequence))
        check_server(outbox.collections)
        opened.append((each, outbox))
    return opened


def connected(uri: str, **options: Any) -> MongoClient[dict[str, Any]]:
    """A client whose server answers; `options` are MongoClient's. Raises InvalidSettings, Unreachable.

    No error shows a part of the address that may be secret.
    """
    client = _client(uri, options)
    try:
        with pymongo.timeout(CONNECT_SECONDS):
            patiently(lambda: client.admin.command("ping"))
    except PyMongoError as error:
        client.close()
        if isinstance(error, OperationFailure) and not is_transient(error):
            raise InvalidSettings(f"MongoDB refused the user or password of --mongo: {in_short(error)}") from None
        raise Unreachable(f"MongoDB did not answer: {in_short(error)}") from error
    except BaseException:
        client.close()
        raise
    return client


def _client(uri: str, options: dict[str, Any]) -> MongoClient[dict[str, Any]]:
    check_address(uri)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # what was to be said of single options is said by now
            return MongoClient(uri, **options)
    except (ConfigurationError, ValueError, OSError) as error:
        raise InvalidSettings(f"--mongo: {without_values(uri, str(error))}") from None
