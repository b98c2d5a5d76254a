"""Making an outbox's collections, and widening them while services are live: idempotent, never narrowing."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping
from typing import Any

import pymongo.errors
from bson import Int64

from outbox.creation_checks import (
    check_collections,
    check_settings,
    least_capacity,
    options_of,
    parse_capacity,
    wanted_validator,
)
from outbox.errors import IncompatibleOutbox
from outbox.log import log
from outbox.log.batch import GENESIS
from outbox.log.edge import Edge
from outbox.mongo.calls import time_limit
from outbox.mongo.codec import Document
from outbox.mongo.collections import Collections
from outbox.mongo.lease import Lease, read_lease
from outbox.mongo.server import check_server, no_capped_collections
from outbox.mongo.server_errors import is_transient, is_unauthorized, patiently, short_message
from outbox.staging.validator import schemas_of, staging_validator

logger = logging.getLogger("outbox")

DEFAULT_CAPACITY = "256 MiB"
PATIENCE_SECONDS = 60.0


def create(
    collections: Collections, schemas: Mapping[str, Document], capacity: int | str | None, max_message_bytes: int
) -> None:
    """Makes what is missing, widens what is narrower than asked, and changes nothing when nothing is to be changed.

    Raises IncompatibleOutbox with every cause, UnsupportedServer and pymongo's errors; whatever it raises, running it
    again is safe.
    """
    check_settings(capacity, max_message_bytes)
    check_server(collections)
    cap = None if capacity is None else parse_capacity(capacity)
    least = least_capacity(max_message_bytes)
    with SchemaLock(Lease(collections.leases, "schema")) as turn:
        check_collections(collections, schemas, cap, max_message_bytes)
        _create_log(collections, parse_capacity(DEFAULT_CAPACITY) if cap is None else cap)
        _grow(collections, None if cap is None or _live_cap(collections) >= least else cap)
        _create_staging(collections, schemas, max_message_bytes, turn)
        for collection in (collections.cursors, collections.dead):
            _create_collection(collections, collection.name)
        with time_limit(30):
            # For the keys that wait behind a dead letter, and for the letters that are to be sent again.
            collections.dead.create_index([("reader", 1), ("key", 1), ("seq", 1)])
            collections.dead.create_index(
                [("reader", 1), ("log", 1), ("seq", 1)],
                partialFilterExpression={"requeued": {"$exists": True}},
            )
        _grow(collections, cap)  # last: where a cap cannot grow, all else is made


class SchemaLock:
    """The `schema` lease: two deploys that create at once must not lose each other's types."""

    def __init__(self, lease: Lease) -> None:
        self._lease = lease
        self._until = time.monotonic() + PATIENCE_SECONDS
        self._never = threading.Event()

    def __enter__(self) -> SchemaLock:
        while not self._lease.acquire():
            self.pause(0.05, "another create() holds the schema lease")
        return self

    def pause(self, seconds: float, why: str) -> None:
        """Waits, while there is patience left. Raises IncompatibleOutbox when there is none."""
        if time.monotonic() > self._until:
            raise IncompatibleOutbox(
                f"gave up after {PATIENCE_SECONDS:.0f} s: {why}. Nothing is half done; try again later"
            )
        self._never.wait(seconds)

    def renew(self) -> None:
        self._lease.renew_if_due()

    def __exit__(self, *_: object) -> None:
        self._lease.release()


def _create_collection(collections: Collections, name: str, **options: Any) -> bool:
    try:
        with time_limit(30):
            if name in collections.database.list_collection_names(filter={"name": name}):
                return False
            collections.database.create_collection(name, check_exists=False, **options)
    except pymongo.errors.OperationFailure as error:
        if "capped" in options and (unsupported := no_capped_collections(error)):
            raise unsupported from error
        if error.code != 48:  # NamespaceExists: another process was first
            raise
        return False
    return True


def _create_log(collections: Collections, initial: int) -> None:
    if options_of(collections, collections.log.name) is None:
        fence = _fence(collections)
        Edge(collections).withdraw(fence)
        _create_collection(collections, collections.log.name, capped=True, size=initial, validator=log.validator(fence))
    with time_limit():
        if collections.log.find_one({}, {"_id": 1}) is None:
            collections.log.insert_one({**GENESIS, "fence": Int64(_fence(collections))})


def _live_cap(collections: Collections) -> int:
    options = options_of(collections, collections.log.name)
    return 0 if options is None else int(options["size"])


def _grow(collections: Collections, asked: int | None) -> None:
    """To the cap that is asked for. A smaller one is another service's, or an older setting: it changes nothing."""
    live = _live_cap(collections)
    if asked is None or -(-asked // 256) * 256 == live:  # the server rounds a cap up to a multiple of 256
        return
    if asked < live:
        logger.warning(
            "%s keeps its cap of %d bytes: it cannot shrink to the capacity of %d, or records would be lost",
            collections.log.full_name,
            live,
            asked,
        )
        return
    try:
        with time_limit(30):
            collections.database.command("collMod", collections.log.name, cappedSize=asked)
    except pymongo.errors.OperationFailure as error:
        if is_unauthorized(error) or is_transient(error):
            raise
        raise IncompatibleOutbox(
            f"the cap could not grow from {live} to {asked} bytes; a server older than 6.0 cannot do that: "
            f"{short_message(error)}. All else is made: with capacity={live}, or none, create() succeeds"
        ) from error


def _fence(collections: Collections) -> int:
    """An outbox that was dropped and is made anew keeps its leases, so a sequencer of the old log stays fenced out."""
    lease = read_lease(collections.leases, "sequencer")
    return 0 if lease is None else int(lease["fence"])


def _create_staging(
    collections: Collections, declared: Mapping[str, Document], max_bytes: int, turn: SchemaLock
) -> None:
    name = collections.staging.name
    options = options_of(collections, name)
    if options is None:
        _create_collection(
            collections, name, validator=staging_validator(declared, max_bytes), validationAction="error"
        )
    else:
        live, wanted = options.get("validator", {}), wanted_validator(options, declared, max_bytes)
        if live != wanted or options.get("validationAction", "error") != "error":
            _change_validator(collections, wanted, turn)
        if not schemas_of(live):
            logger.warning("%s had no validator of this library's: it has one now", collections.staging.full_name)
    with time_limit(30):
        collections.staging.create_index("at")


def _change_validator(collections: Collections, wanted: Document, turn: SchemaLock) -> None:
    """In short tries: a collMod that waits for an open transaction makes every other put wait behind it."""
    tried = False
    while True:
        turn.renew()
        live = options_of(collections, collections.staging.name) or {}
        try:
            # Nothing is in the way of what is there already: a majority is to confirm it.
            with time_limit(None if live.get("validator") == wanted and tried else 0.2):
                collections.database.command(
                    "collMod",
                    collections.staging.name,
                    validator=wanted,
                    validationAction="error",
                    validationLevel="strict",
                    writeConcern={"w": "majority"},
                )
            return
        except pymongo.errors.PyMongoError as error:
            if not is_transient(error):
                raise
            tried = True
            staging = collections.staging.full_name
            logger.info("an open transaction holds up the new validator of %s; trying again", staging)
            turn.pause(0.1, f"transactions that stay open on {staging} hold up its new validator")


def drop(collections: Collections) -> None:
    """Drops all but the leases. Raises IncompatibleOutbox while another process sequences, and pymongo's errors."""
    lease = Lease(collections.leases, "sequencer")
    if not patiently(lease.acquire_if_idle):
        raise IncompatibleOutbox(f"another process sequences {collections.log.full_name}; stop it first")
    try:
        for each in (collections.staging, collections.log, collections.cursors, collections.dead):
            with time_limit(30):
                patiently(each.drop)
    finally:
        lease.release()
