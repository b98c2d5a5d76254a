"""Creates the staging collection, and widens its validator while services are putting into it."""

from __future__ import annotations

import logging
from collections.abc import Iterator

from pymongo.errors import PyMongoError

from outbox.messages.message_types import MessageTypes
from outbox.messages.versions import TypeVersion
from outbox.mongo.calls import PAUSE_SECONDS, in_short_tries, time_limit
from outbox.mongo.codec import Document
from outbox.mongo.collections import Collections, create_collection, options_of_collection
from outbox.staging.schema_lock import SchemaLock
from outbox.staging.validator import (
    compactions_of,
    max_message_bytes_of,
    merge,
    merge_compactions,
    schemas_of,
    staging_validator,
)

logger = logging.getLogger("outbox")

_SCAN_SECONDS = 60.0


class Declared:
    """What a service asks of staging."""

    def __init__(self, types: MessageTypes, max_message_bytes: int) -> None:
        self.schemas = types.versioned_schemas()
        self.types = types.names
        self.published = types.versioned_json_schemas()
        self.compactions = types.compactions
        self.max_message_bytes = max_message_bytes


def staging_causes(collections: Collections, declared: Declared) -> Iterator[str]:
    """Yields why create() must refuse staging as it stands. Raises IncompatibleOutbox, and pymongo's errors."""
    staging = collections.staging
    options = options_of_collection(collections, staging.name)
    if options is None:
        if not declared.schemas:
            yield "a new outbox needs at least one message class: Outbox(…, messages=[OrderPlaced])"
        merge({}, declared.schemas)  # raises for names that Kafka takes for the same
        return
    wanted = wanted_validator(options, declared)
    if schemas_of(options.get("validator", {})):
        return
    # It has no validator of ours: a restore left it, or an old version's put into a dropped outbox. It is taken over if
    # all it holds are messages.
    with time_limit(_SCAN_SECONDS):
        foreign = staging.find_one({"$nor": [wanted]}, {"type": 1})
    if foreign is not None:
        yield (
            f"{staging.full_name} has no validator of this library's, and its document {foreign['_id']!r} of the type "
            f"{foreign.get('type')!r} is no message of these classes, so nobody vouches for it: create() with all "
            "classes that are put here, move what is no message away, or give the outbox another name"
        )


def create_staging(collections: Collections, declared: Declared, lock: SchemaLock) -> Document:
    """Creates staging if it is missing, else widens its validator for what is declared; and makes its index.

    Returns the validator that it has then. Raises IncompatibleOutbox when transactions that stay open are in the way,
    LeaseLost, and pymongo's errors.
    """
    name = collections.staging.name
    options = collections.options(name)
    if options is None:
        validator = staging_validator(declared.schemas, declared.max_message_bytes, declared.compactions)
        create_collection(collections, name, validator=validator, validationAction="error")
    else:
        staging, about = collections.staging.full_name, {"outbox": collections.log.full_name}
        live, validator = options.get("validator", {}), wanted_validator(options, declared)
        if live != validator or options.get("validationAction", "error") != "error":
            _change_validator(collections, validator, lock)
        if not schemas_of(live):
            logger.warning("%s had no validator of this library's: it has one now", staging, extra=about)
        for name in sorted(compactions_of(live).keys() & set(declared.types) - declared.compactions.keys()):
            logger.warning(
                "%s keeps the message type %s compacted, though this class of it is not: no type ceases to be",
                staging,
                name,
                extra=about,
            )
    with time_limit(30):
        collections.staging.create_index("at")
    return validator


def accepted(validator: Document, declared: Declared) -> dict[TypeVersion, Document]:
    """Returns the JSON Schemas of the declared versions that the validator takes as they are declared, and no wider."""
    live = schemas_of(validator)
    return {each: schema for each, schema in declared.published.items() if live.get(each) == declared.schemas[each]}


def wanted_validator(options: Document, declared: Declared) -> Document:
    """Makes the validator for what staging accepts now and what is declared. Raises IncompatibleOutbox."""
    live = options.get("validator", {})
    size = max(declared.max_message_bytes, max_message_bytes_of(live) or 0)
    compactions = merge_compactions(compactions_of(live), declared.compactions)
    return staging_validator(merge(schemas_of(live), declared.schemas), size, compactions)


def _change_validator(collections: Collections, wanted: Document, lock: SchemaLock) -> None:
    name, staging = collections.staging.name, collections.staging.full_name

    def change() -> None:
        lock.check()
        collections.database.command(
            "collMod",
            name,
            validator=wanted,
            validationAction="error",
            validationLevel="strict",
            writeConcern={"w": "majority"},
        )

    def is_done() -> bool:
        options = collections.options(name) or {}
        return options.get("validator") == wanted and options.get("validationAction", "error") == "error"

    def pause(_: PyMongoError) -> None:
        said = "an open transaction holds up the new validator of %s; trying again"
        logger.info(said, staging, extra={"outbox": collections.log.full_name})
        lock.pause(PAUSE_SECONDS, f"transactions that stay open on {staging} hold up its new validator")

    in_short_tries(change, is_done, pause)
