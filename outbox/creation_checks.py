"""What stands in the way of create(): every cause at once, found before anything is changed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

from outbox.errors import IncompatibleOutbox
from outbox.log import batch
from outbox.log.batch import ENVELOPE_BYTES
from outbox.mongo.calls import time_limit
from outbox.mongo.codec import Document
from outbox.mongo.collections import Collections
from outbox.staging.validator import max_message_bytes_of, merge, schemas_of, staging_validator

_UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}
_SCAN_SECONDS = 60.0


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


def options_of(collections: Collections, name: str) -> Document | None:
    """The options of a collection; None when there is none. Raises IncompatibleOutbox for a view of that name."""
    with time_limit():
        for info in collections.database.list_collections(filter={"name": name}):
            if info.get("type", "collection") != "collection":
                raise IncompatibleOutbox(
                    f"{collections.database.name}.{name} is a {info['type']}; give the outbox another name"
                )
            return dict(info["options"])
    return None


def wanted_validator(options: Document, declared: Mapping[str, Document], max_message_bytes: int) -> Document:
    """Staging's validator after create(): what it accepts now, and what is declared. Raises IncompatibleOutbox."""
    live = options.get("validator", {})
    size = max(max_message_bytes, max_message_bytes_of(live) or 0)
    return staging_validator(merge(schemas_of(live), declared), size)


def check_settings(capacity: int | str | None, max_message_bytes: int) -> None:
    """Raises IncompatibleOutbox, without asking the server."""

    def wrong() -> Iterator[str]:
        if not 0 < max_message_bytes <= batch.LARGEST_MESSAGE:
            yield f"max_message_bytes={max_message_bytes}: give 1 to {batch.LARGEST_MESSAGE}"
        if capacity is None:
            return
        cap, least = parse_capacity(capacity), least_capacity(max_message_bytes)
        if cap < least:
            yield (
                f"a capacity of {cap} bytes is below {least}, four of the largest batches that messages of up to "
                f"{max_message_bytes} bytes can make: raise the capacity or lower max_message_bytes"
            )

    _raise(_causes(wrong))


def check_collections(
    collections: Collections, declared: Mapping[str, Document], asked: int | None, max_message_bytes: int
) -> None:
    """Raises IncompatibleOutbox and pymongo's errors."""
    _raise(
        [
            *_causes(lambda: _log_causes(collections, asked, least_capacity(max_message_bytes))),
            *_causes(lambda: _staging_causes(collections, declared, max_message_bytes)),
        ]
    )


def _causes(find: Callable[[], Iterator[str]]) -> list[str]:
    found: list[str] = []
    try:
        found.extend(find())
    except IncompatibleOutbox as error:
        found.append(str(error))
    return found


def _raise(causes: list[str]) -> None:
    if len(causes) == 1:
        raise IncompatibleOutbox(causes[0])
    if causes:
        numbered = "; ".join(f"({number}) {cause}" for number, cause in enumerate(causes, 1))
        raise IncompatibleOutbox(f"{len(causes)} things stand in the way: {numbered}")


def _log_causes(collections: Collections, asked: int | None, least: int) -> Iterator[str]:
    log = collections.log
    options = options_of(collections, log.name)
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


def _staging_causes(
    collections: Collections, declared: Mapping[str, Document], max_message_bytes: int
) -> Iterator[str]:
    staging = collections.staging
    options = options_of(collections, staging.name)
    if options is None:
        if not declared:
            yield "a new outbox needs at least one message class: Outbox(…, messages=[OrderPlaced])"
        merge({}, declared)  # raises for names that only differ in what Kafka takes for the same
        return
    wanted = wanted_validator(options, declared, max_message_bytes)
    if schemas_of(options.get("validator", {})):
        return
    # Left by a put of an older version into a dropped outbox, or restored: taken over when all are messages.
    with time_limit(_SCAN_SECONDS):
        foreign = staging.find_one({"$nor": [wanted]}, {"type": 1})
    if foreign is not None:
        yield (
            f"{staging.full_name} has no validator of this library's, and its document {foreign['_id']!r} of the type "
            f"{foreign.get('type')!r} is no message of these classes, so nobody vouches for it: create() with all "
            "classes that are put here, move what is no message away, or give the outbox another name"
        )
