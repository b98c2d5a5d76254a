"""Which mongod the tests start: the one at OUTBOX_TEST_MONGOD, else that of the installed package."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient

from outbox.embedded.binary import find_mongod

CHOSEN = os.environ.get("OUTBOX_TEST_MONGOD")


def mongod() -> Path:
    """Its executable. Raises EmbeddedUnavailable."""
    return find_mongod() if CHOSEN is None else Path(CHOSEN)


def choose_mongod() -> None:
    """From now on every EmbeddedMongo of this process is of that version, so every replica set of the tests."""
    if CHOSEN is not None and not os.access(CHOSEN, os.X_OK):
        pytest.exit(f"OUTBOX_TEST_MONGOD is {CHOSEN!r}: no program is there", 4)
    pytest.MonkeyPatch().setattr("outbox.embedded.mongo.find_mongod", mongod)


def can_grow_caps(client: MongoClient[Any]) -> bool:
    """Whether the server can change the size of a capped collection: from 6.0 on."""
    return bool(client.server_info()["versionArray"][0] >= 6)
