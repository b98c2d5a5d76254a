"""The command line's connections to MongoDB: one client a server, however many outboxes are on it."""

from __future__ import annotations

import contextlib
import re
import warnings
from typing import Any
from urllib.parse import unquote_plus

import pymongo
from pymongo import MongoClient
from pymongo.errors import ConfigurationError, InvalidName, OperationFailure, PyMongoError

from outbox import Outbox
from outbox.creation import check_server
from outbox.wording import in_short
from relay.errors import InvalidSettings, Unreachable
from relay.settings import OutboxSettings, Settings

CONNECT_SECONDS = 5.0
_SHORTEST = 4  # to blank out shorter parts would garble the sentence

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
            client.admin.command("ping")
    except PyMongoError as error:
        client.close()
        if isinstance(error, OperationFailure) and not error.timeout:
            raise InvalidSettings(f"MongoDB refused the user or password of --mongo: {in_short(error)}") from None
        raise Unreachable(f"MongoDB did not answer: {in_short(error)}") from error
    except BaseException:
        client.close()
        raise
    return client


def _client(uri: str, options: dict[str, Any]) -> MongoClient[dict[str, Any]]:
    # The driver ends user and password at the first `/`, so it would take a part of them for something to show.
    if re.search(r"(?s)[/?#].*@", uri.partition("://")[2]):
        raise InvalidSettings(
            "--mongo: user name and password must be percent-encoded (urllib.parse.quote_plus), "
            "and so must any @ behind the host"
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)  # the driver would go on without the option
            return MongoClient(uri, **options)
    except UserWarning as warning:
        raise InvalidSettings(
            f"--mongo: the option {_named(uri, str(warning))} cannot be used: its name or its value is wrong, or it "
            "stands there twice"
        ) from None
    except OSError as error:  # a certificate's file
        raise InvalidSettings(f"--mongo: {error.filename}: {error.strerror}") from None
    except (ConfigurationError, ValueError) as error:
        raise InvalidSettings(f"--mongo: {_unquoting(uri, str(error))}") from None


def _unquoting(uri: str, said: str) -> str:
    """The driver's sentence without what it quotes of the address: in one that it cannot read, all may be secret."""
    parts = {part for text in (uri, unquote_plus(uri)) for part in re.split(r"[:/@?&=,;\s]+", text)}
    for part in sorted(parts - {"mongodb", "mongodb+srv"}, key=len, reverse=True):
        if len(part) >= _SHORTEST:
            said = said.replace(part, "…")
    return said


def _named(uri: str, warning: str) -> str:
    """Which of the address's options a warning is about: without their values, one of which it may quote."""
    names = [option.partition("=")[0] for option in re.split("[&;]", uri.partition("?")[2])]
    said = warning.lower()
    found = dict.fromkeys(name for name in names if re.search(rf"\b{re.escape(name.lower())}\b", said))
    return " or ".join(found or dict.fromkeys(names))
