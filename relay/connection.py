"""Connects to MongoDB, and says why that failed: whether waiting may help, and what to change if not."""

from __future__ import annotations

import logging
import warnings
from typing import Any

import pymongo
from pymongo import MongoClient
from pymongo.errors import ConfigurationError, OperationFailure, PyMongoError, ServerSelectionTimeoutError

from outbox.mongo.server import check_hosts
from outbox.mongo.server_errors import is_transient, patiently, short_message
from relay.address import check_address, hosts_of, tls_context, without_values
from relay.answers import Answers
from relay.errors import InvalidSettings, Unreachable

logger = logging.getLogger("relay")

CONNECT_SECONDS = 5.0
_CONNECTIONS = 4
"""What an outbox needs at a time: two that wait for new records, one to send and one to number."""

_PACKAGES = {"MONGODB-AWS": "pymongo[aws]", "GSSAPI": "pymongo[gssapi]"}


def connected(uri: str, *, outboxes: int = 1, **options: Any) -> MongoClient[dict[str, Any]]:
    """Makes a client whose server answers, with connections for so many outboxes; `options` are MongoClient's.

    Raises InvalidSettings for what will not pass by waiting, Unreachable, UnsupportedServer. No error shows a part of
    the address that may be secret.
    """
    answers = Answers()
    client = _client(uri, {**options, "event_listeners": [answers]}, _CONNECTIONS * outboxes)
    try:
        with pymongo.timeout(CONNECT_SECONDS):
            patiently(lambda: client.admin.command("ping"))
    except (PyMongoError, OSError) as error:  # OSError: a file that is read for authentication
        client.close()
        raise _fault(uri, client, error, answers) from error
    except BaseException:
        client.close()
        raise
    return client


def _client(uri: str, options: dict[str, Any], connections: int) -> MongoClient[dict[str, Any]]:
    check_address(uri)
    check_hosts(hosts_of(uri))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # what was to be said of single options is said by now
            client: MongoClient[dict[str, Any]] = MongoClient(uri, connect=False, **options)
            size = client.options.pool_options.max_pool_size
            if not size or size >= connections:
                return client
            logger.info("maxPoolSize=%d is too small for this relay, which takes %d connections", size, connections)
            return MongoClient(uri, connect=False, **options, maxPoolSize=connections)
    except (ConfigurationError, ValueError, OSError) as error:
        raise InvalidSettings(f"--mongo: {without_values(uri, str(error))}") from None


def _fault(uri: str, client: MongoClient[Any], error: PyMongoError | OSError, answers: Answers) -> Exception:
    """The error to raise: InvalidSettings for what will not pass by waiting, else Unreachable."""
    if isinstance(error, OSError):
        return InvalidSettings(f"--mongo: {error.filename}: {error.strerror}")
    if isinstance(error, ServerSelectionTimeoutError):
        faults = answers.faults(client.options.replica_set_name, tls_context(uri))
        if faults:
            return InvalidSettings(f"--mongo: {'; '.join(faults)}")
    elif isinstance(error, OperationFailure) and not is_transient(error):
        return InvalidSettings(f"MongoDB refused the user or password of --mongo: {short_message(error)}")
    elif isinstance(error, ConfigurationError) and not is_transient(error) and not _is_of_dns(error):
        return InvalidSettings(f"--mongo: {without_values(uri, str(error)).rstrip('.')}{_package_for(uri)}")
    return Unreachable(f"MongoDB did not answer: {short_message(error)}")


def _package_for(uri: str) -> str:
    package = next((name for mechanism, name in _PACKAGES.items() if f"authMechanism={mechanism}" in uri), None)
    return "" if package is None else f" What it needs is installed by pip install '{package}'"


def _is_of_dns(error: ConfigurationError) -> bool:
    """Whether the look-up of a mongodb+srv address has failed, which may pass."""
    return type(error.__cause__).__module__.partition(".")[0] == "dns"
