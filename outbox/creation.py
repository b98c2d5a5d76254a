"""Creates and drops an outbox: creating is idempotent and never narrows, while services are putting."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from outbox.errors import IncompatibleOutbox
from outbox.log import batch
from outbox.log.creation import (
    DEFAULT_CAPACITY,
    create_log,
    grow_log,
    least_capacity,
    live_cap,
    log_causes,
    parse_capacity,
)
from outbox.mongo.calls import time_limit
from outbox.mongo.collections import Collections, create_collection
from outbox.mongo.server import check_server
from outbox.mongo.server_errors import patiently
from outbox.staging.creation import Declared, accepted, create_staging, staging_causes
from outbox.staging.published import publish
from outbox.staging.schema_lock import lock_schema


def create(collections: Collections, declared: Declared, capacity: int | str | None) -> None:
    """Creates what is missing, widens what is narrower than asked for, and changes nothing else.

    Raises IncompatibleOutbox with every cause, UnsupportedServer and pymongo's errors; whatever it raises, running it
    again is safe.
    """
    max_message_bytes = declared.max_message_bytes
    _raise_all(_found(lambda: _settings_causes(capacity, max_message_bytes)))
    check_server(collections)
    cap = None if capacity is None else parse_capacity(capacity)
    least = least_capacity(max_message_bytes)
    with lock_schema(collections.lease("schema")) as lock:
        _raise_all(
            [  # all of them, before anything is changed
                *_found(lambda: log_causes(collections, cap, least)),
                *_found(lambda: staging_causes(collections, declared)),
            ]
        )
        create_log(collections, parse_capacity(DEFAULT_CAPACITY) if cap is None else cap)
        grow_log(collections, None if cap is None or live_cap(collections) >= least else cap, lock.pause)
        publish(collections, accepted(create_staging(collections, declared, lock), declared))
        create_collection(collections, collections.cursors.name)
        create_collection(collections, collections.dead.name)
        if declared.compactions:
            create_collection(collections, collections.latest.name)
            with time_limit(30):
                collections.latest.create_index("seq")
        _index_dead_letters(collections)
        grow_log(collections, cap, lock.pause)  # last: where a cap cannot grow, all else is made


def _settings_causes(capacity: int | str | None, max_message_bytes: int) -> Iterator[str]:
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


def _found(find: Callable[[], Iterator[str]]) -> list[str]:
    causes: list[str] = []
    try:
        causes.extend(find())
    except IncompatibleOutbox as error:
        causes.append(str(error))
    return causes


def _raise_all(causes: list[str]) -> None:
    if len(causes) == 1:
        raise IncompatibleOutbox(causes[0])
    if causes:
        numbered = "; ".join(f"({number}) {cause}" for number, cause in enumerate(causes, 1))
        raise IncompatibleOutbox(f"{len(causes)} things stand in the way: {numbered}")


def _index_dead_letters(collections: Collections) -> None:
    """For the keys that wait behind a dead letter, and for the letters that are to be sent again."""
    with time_limit(30):
        collections.dead.create_index([("reader", 1), ("key", 1), ("seq", 1)])
        collections.dead.create_index(
            [("reader", 1), ("log", 1), ("seq", 1)],
            partialFilterExpression={"requeued": {"$exists": True}},
        )


def drop(collections: Collections) -> None:
    """Drops all collections but the leases.

    Raises IncompatibleOutbox while another process sequences, and pymongo's errors.
    """
    lease = collections.lease("sequencer")
    if not patiently(lease.acquire_if_idle):
        raise IncompatibleOutbox(f"another process sequences {collections.log.full_name}; stop it first")
    with lease.held(f"the drop of {collections.log.full_name}"):
        for collection in (
            collections.staging,
            collections.log,
            collections.cursors,
            collections.dead,
            collections.latest,
            collections.states,
            collections.imported,
            collections.mirrors,
            collections.acts,
            collections.schemas,
        ):
            with time_limit(30):
                patiently(collection.drop)
