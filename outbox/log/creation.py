"""Creates the log, with its cap and its genesis document, and grows the cap of one that exists."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator

from bson import Int64
from pymongo.errors import OperationFailure

from outbox.errors import IncompatibleOutbox
from outbox.log import batch
from outbox.log.batch import ENVELOPE_BYTES, GENESIS
from outbox.log.edge import Edge
from outbox.log.log import validator
from outbox.mongo.calls import PAUSE_SECONDS, in_short_tries, time_limit
from outbox.mongo.collections import Collections, create_collection, options_of_collection
from outbox.mongo.lease import read_lease
from outbox.mongo.server import no_capped_collections
from outbox.mongo.server_errors import is_transient, is_unauthorized, short_message

logger = logging.getLogger("outbox")

DEFAULT_CAPACITY = "256 MiB"
_UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}


def parse_capacity(capacity: int | str) -> int:
    """Returns the bytes of a cap, given in bytes or as text such as "256 MiB". Raises IncompatibleOutbox."""
    size = re.fullmatch(r"\s*(\d+)\s*([KMG]?i?B|)\s*", str(capacity), re.IGNORECASE)
    if size is None or size[2].upper() not in _UNITS:
        raise IncompatibleOutbox(
            f"capacity {capacity!r} is not a size: give bytes, or text such as '256 MiB' or '2 GiB'"
        )
    return int(size[1]) * _UNITS[size[2].upper()]


def least_capacity(max_message_bytes: int) -> int:
    """Returns the smallest cap, in bytes, for messages of this size: four maximal batches.

    One sweep may fill a quarter of the cap, and must be able to take any single message.
    """
    return 4 * (max(batch.MAX_BYTES, max_message_bytes) + 2 * ENVELOPE_BYTES + 16 * batch.MAX_RECORDS)


def log_causes(collections: Collections, asked: int | None, least: int) -> Iterator[str]:
    """Yields why create() must refuse the log as it stands. Raises IncompatibleOutbox, and pymongo's errors.

    asked: the cap that was asked for, in bytes; None for the present one. least: the smallest that will do.
    """
    log = collections.log
    options = options_of_collection(collections, log.name)
    if options is not None and not options.get("capped"):
        yield (
            f"{log.full_name} exists and is not capped. If nothing needs it, drop it and run create() again, or give "
            "the outbox another name"
        )
        return
    if options is not None and max(int(options["size"]), asked or 0) < least:
        yield (
            f"the log's cap of {options['size']} bytes is below {least}, which max_message_bytes asks for: raise the "
            "capacity"
        )
    with time_limit():
        empty = log.find_one({}, {"_id": 1}) is None
        if empty and collections.cursors.find_one({"seq": {"$gt": 0}}) is not None:
            yield (
                f"{log.full_name} is empty, but readers have positions in it: it was emptied or replaced. If those "
                f"positions are of no use any more, drop {collections.cursors.full_name} and create() again"
            )


def create_log(collections: Collections, cap: int) -> None:
    """Creates the log if it is missing, with a cap in bytes, and its genesis document.

    Raises UnsupportedServer, and pymongo's errors.
    """
    if collections.options(collections.log.name) is None:
        fence = _fence(collections)
        Edge(collections).withdraw(fence)
        try:
            create_collection(collections, collections.log.name, capped=True, size=cap, validator=validator(fence))
        except OperationFailure as error:
            if unsupported := no_capped_collections(error):
                raise unsupported from error
            raise
    _write_genesis(collections)


def _write_genesis(collections: Collections) -> None:
    with time_limit():
        if collections.log.find_one({}, {"_id": 1}) is None:
            collections.log.insert_one({**GENESIS, "fence": Int64(_fence(collections))})


def _fence(collections: Collections) -> int:
    """An outbox that was dropped and created again keeps its leases: a sequencer of the old log stays fenced off."""
    lease = read_lease(collections.leases, "sequencer")
    return 0 if lease is None else int(lease["fence"])


def live_cap(collections: Collections) -> int:
    """Returns the log's cap, in bytes; 0 when there is no log. Raises pymongo's errors."""
    options = collections.options(collections.log.name)
    return 0 if options is None else int(options["size"])


def _rounded(cap: int) -> int:
    """Rounds a cap up to a multiple of 256, as the server does."""
    return -(-cap // 256) * 256


def grow_log(collections: Collections, asked: int | None, pause: Callable[[float, str], None]) -> None:
    """Grows the cap to the bytes asked for. A smaller number is another service's, or an older setting: no change.

    pause: waits for so many seconds before the next try, and says why; or raises, when that has lasted too long.

    Raises IncompatibleOutbox where the server cannot do that, and pymongo's errors.
    """
    live = live_cap(collections)
    if asked is None or _rounded(asked) == live:
        return
    if asked < live:
        logger.warning(
            "%s keeps its cap of %d bytes: it cannot shrink to the capacity of %d, or records would be lost",
            collections.log.full_name,
            live,
            asked,
            extra={"outbox": collections.log.full_name},
        )
        return
    name = collections.log.full_name
    try:
        in_short_tries(
            lambda: collections.database.command("collMod", collections.log.name, cappedSize=asked),
            lambda: live_cap(collections) == _rounded(asked),
            lambda _: pause(PAUSE_SECONDS, f"transactions that stay open on {name} hold up its new cap"),
        )
    except OperationFailure as error:
        if is_unauthorized(error) or is_transient(error):
            raise
        raise IncompatibleOutbox(
            f"the cap could not grow from {live} to {asked} bytes; a server older than 6.0 cannot do that: "
            f"{short_message(error)}. All else is made: with capacity={live}, or none, create() succeeds"
        ) from error
