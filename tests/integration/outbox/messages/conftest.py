"""Collections with the validator of one message class."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pymongo import MongoClient

from outbox.messages.message_types import MessageTypes
from outbox.mongo.codec import DECODED
from outbox.staging.validator import staging_validator
from tests.integration.outbox.messages.parity import Declared, Pair


@pytest.fixture(scope="module")
def pair(mongo: MongoClient[dict[str, Any]]) -> Iterator[Callable[[Callable[[], Declared]], Pair]]:
    """One collection a case: making 400 databases would take most of the time."""
    database = mongo[f"test_{uuid.uuid4().hex}"]
    made: dict[Callable[[], Declared], Pair] = {}

    def make(declare: Callable[[], Declared]) -> Pair:
        if declare not in made:
            declared = declare()
            types = MessageTypes([declared.cls])
            validator = staging_validator(types.versioned_schemas(), 1_000_000)
            staging = database.create_collection(uuid.uuid4().hex, validator=validator)
            made[declare] = Pair(declared, types, staging.with_options(DECODED))
        return made[declare]

    yield make
    mongo.drop_database(database.name)
