"""Making an outbox's collections, and widening them while services are live: idempotent, never narrowing."""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Mapping
from typing import Any

import pymongo.errors
from bson import Int64

from outbox import batch, log
from outbox.batch import ENVELOPE_BYTES, GENESIS
from outbox.collections import Collections, Document, call
from outbox.edge import Edge
from outbox.errors import IncompatibleOutbox, UnsupportedServer
from outbox.lease import Lease, holder
from outbox.privileges import is_unauthorized
from outbox.transient import is_transient, patient
from outbox.validator import max_message_bytes_of, merge, schemas_of, staging_validator
from outbox.wording import in_short

logger = logging.getLogger("outbox")

DEFAULT_CAPACITY = "256 MiB"
_UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}
_PATIENCE_SECONDS = 60.0


def parse_capacity(capacity: int | str) -> int:
    """Bytes of a cap given in bytes or as text such as "256 MiB". Raises IncompatibleOutbox."""
    found = re.fullmatch(r"\s*(\d+)\s*([KMG]?i?B|)\s*", str(capacity), re.IGNORECASE)
    if found is None or found[2].upper() not in _UNITS:
        raise IncompatibleOutbox(
            f"capacity {capacity!r} is not a size: give bytes, or text such as '256 MiB' or '2 GiB'"
        )
    return int(found[1]) * _UNITS[found[2].upper()]


def least_capacity(max_message_bytes: int) -> int:
    """Four maximal batches: a sweep may take a quarter of the cap, and must be able to take any one message."""
    return 4 * (max(batch.MAX_BYTES, max_message_bytes) + 2 * ENVELOPE_BYTES + 16 * batch.MAX_RECORDS)


@patient
def check_server(collections: Collections) -> None:
    """Raises UnsupportedServer for a standalone, a mongos, or a server older than 5.0."""
    with call():
        hello = collections.client.admin.command("hello")
        version = collections.client.admin.command("buildInfo")["version"]
    if hello.get("msg") == "isdbgrid":
        raise UnsupportedServer(
            "this is a mongos: a capped collection cannot be sharded, so an outbox needs a replica set"
        )
    if "setName" not in hello:
        raise UnsupportedServer("this server is a standalone: transactions need a replica set (one node is enough)")
    if int(version.split(".")[0]) < 5:
        raise UnsupportedServer(
            f"this server is MongoDB {version}: snapshot reads outside transactions need 5.0 or newer"
        )


def create(
    collections: Collections, schemas: Mapping[str, Document], capacity: int | str | None, max_message_bytes: int
) -> None:
    """Makes what is missing, widens what is narrower than asked, and changes nothing when nothing is to be changed.

    Raises IncompatibleOutbox, UnsupportedServer and pymongo's errors; whatever it raises, running it again is safe.
    """
    if not 0 < max_message_bytes <= batch.LARGEST_MESSAGE:
        raise IncompatibleOutbox(f"max_message_bytes={max_message_bytes}: give 1 to {batch.LARGEST_MESSAGE}")
    check_server(collections)
    cap = None if capacity is None else parse_capacity(capacity)
    least = least_capacity(max_message_bytes)
    if cap is not None and cap < least:
        raise IncompatibleOutbox(
            f"a capacity of {cap} bytes is below {least}, four of the largest batches that messages of up to "
            f"{max_message_bytes} bytes can make: raise the capacity or lower max_message_bytes"
        )
    with _Turn(Lease(collections.leases, "schema")) as turn:
        _create_log(collections, parse_capacity(DEFAULT_CAPACITY) if cap is None else cap, cap, least)
        _create_staging(collections, schemas, max_message_bytes, turn)
        for collection in (collections.cursors, collections.dead):
            _create_collection(collections, collection.name)
        with call(30):
            # For the keys that wait behind a dead letter, and for the letters that are to be sent again.
            collections.dead.create_index([("reader", 1), ("key", 1), ("seq", 1)])
            collections.dead.create_index(
                [("reader", 1), ("seq", 1)], partialFilterExpression={"requeued": {"$exists": True}}
            )


class _Turn:
    """The `schema` lease: two deploys that create at once must not lose each other's types."""

    def __init__(self, lease: Lease) -> None:
        self._lease = lease
        self._until = time.monotonic() + _PATIENCE_SECONDS
        self._never = threading.Event()

    def __enter__(self) -> _Turn:
        while not self._lease.acquire():
            self.pause(0.05, "another create() holds the schema lease")
        return self

    def pause(self, seconds: float, why: str) -> None:
        """Waits, while there is patience left. Raises IncompatibleOutbox when there is none."""
        if time.monotonic() > self._until:
            raise IncompatibleOutbox(
                f"gave up after {_PATIENCE_SECONDS:.0f} s: {why}. Nothing is half done; try again later"
            )
        self._never.wait(seconds)

    def renew(self) -> None:
        self._lease.renew_if_due()

    def __exit__(self, *_: object) -> None:
        self._lease.release()


def _options(collections: Collections, name: str) -> Document | None:
    with call():
        for info in collections.database.list_collections(filter={"name": name}):
            if info.get("type", "collection") != "collection":
                raise IncompatibleOutbox(
                    f"{collections.database.name}.{name} is a {info['type']}; give the outbox another name"
                )
            return dict(info["options"])
    return None


def _create_collection(collections: Collections, name: str, **options: Any) -> bool:
    try:
        with call(30):
            if name in collections.database.list_collection_names(filter={"name": name}):
                return False
            collections.database.create_collection(name, check_exists=False, **options)
    except pymongo.errors.OperationFailure as error:
        if error.code != 48:  # NamespaceExists: another process was first
            raise
        return False
    return True


def _create_log(collections: Collections, initial: int, asked: int | None, least: int) -> None:
    name = collections.log.name
    options = _options(collections, name)
    if options is None:
        fence = _fence(collections)
        Edge(collections).withdraw(fence)
        _create_collection(collections, name, capped=True, size=initial, validator=log.validator(fence))
    elif not options.get("capped"):
        raise IncompatibleOutbox(
            f"{collections.log.full_name} exists and is not capped. If nothing needs it, drop it and run create() "
            "again, or give the outbox another name"
        )
    else:
        _grow(collections, int(options["size"]), asked, least)
    _write_genesis(collections)


def _grow(collections: Collections, live: int, asked: int | None, least: int) -> None:
    if max(live, 0 if asked is None else asked) < least:
        raise IncompatibleOutbox(
            f"the log's cap of {live} bytes is below {least}, which max_message_bytes asks for: raise the capacity"
        )
    if asked is None or -(-asked // 256) * 256 == live:  # the server rounds a cap up to a multiple of 256
        return
    if asked < live:
        raise IncompatibleOutbox(
            f"the log has a cap of {live} bytes and cannot shrink to {asked}: records would be lost. Keep the capacity"
        )
    try:
        with call(30):
            collections.database.command("collMod", collections.log.name, cappedSize=asked)
    except pymongo.errors.OperationFailure as error:
        if is_unauthorized(error) or is_transient(error):
            raise
        raise IncompatibleOutbox(
            f"the cap could not grow from {live} to {asked} bytes; a server older than 6.0 cannot do that: "
            f"{in_short(error)}"
        ) from error


def _write_genesis(collections: Collections) -> None:
    with call():
        if collections.log.find_one({}, {"_id": 1}) is not None:
            return
        if collections.cursors.find_one({"seq": {"$gt": 0}}) is not None:
            raise IncompatibleOutbox(
                f"{collections.log.full_name} is empty, but readers have positions in it: it was emptied or replaced. "
                f"If those positions are of no use any more, drop {collections.cursors.full_name} and create() again"
            )
        collections.log.insert_one({**GENESIS, "fence": Int64(_fence(collections))})


def _fence(collections: Collections) -> int:
    """An outbox that was dropped and is made anew keeps its leases, so a sequencer of the old log stays fenced out."""
    lease = holder(collections.leases, "sequencer")
    return 0 if lease is None else int(lease["fence"])


def _create_staging(collections: Collections, declared: Mapping[str, Document], max_bytes: int, turn: _Turn) -> None:
    name = collections.staging.name
    options = _options(collections, name)
    if options is None:
        if not declared:
            raise IncompatibleOutbox("a new outbox needs at least one message class: Outbox(…, messages=[OrderPlaced])")
        _create_collection(
            collections, name, validator=staging_validator(merge({}, declared), max_bytes), validationAction="error"
        )
    else:
        live = options.get("validator", {})
        _check_ours(collections, live)
        wanted = staging_validator(merge(schemas_of(live), declared), max(max_bytes, max_message_bytes_of(live) or 0))
        if live != wanted or options.get("validationAction", "error") != "error":
            _change_validator(collections, wanted, turn)
    with call(30):
        collections.staging.create_index("at")


def _check_ours(collections: Collections, validator: Document) -> None:
    if schemas_of(validator):
        return
    with call():
        if collections.staging.find_one({}, {"_id": 1}) is not None:
            raise IncompatibleOutbox(
                f"{collections.staging.full_name} holds documents but has no validator of this library's, so nobody "
                "vouches for them: move them away, or give the outbox another name"
            )


def _change_validator(collections: Collections, wanted: Document, turn: _Turn) -> None:
    """In short tries: a collMod that waits for an open transaction makes every other put wait behind it."""
    tried = False
    while True:
        turn.renew()
        live = _options(collections, collections.staging.name) or {}
        try:
            # Nothing is in the way of what is there already: a majority is to confirm it.
            with call(None if live.get("validator") == wanted and tried else 0.2):
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
