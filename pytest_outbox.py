"""pytest fixtures for services that have an outbox: a MongoDB, and outboxes on it.

pytest loads this in every project where the package is installed: it imports nothing else before a fixture is used.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pymongo import MongoClient

    from outbox import Outbox
    from outbox.testing import OutboxFactory


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds the address of a server to use instead of the embedded one."""
    explained = "a replica set for the fixture `mongo`; without it, one is started from the extra `embedded`"
    parser.getgroup("outbox").addoption("--outbox-mongo", metavar="URI", help=explained)


@pytest.fixture(scope="session")
def mongo(pytestconfig: pytest.Config) -> Iterator[MongoClient[dict[str, Any]]]:
    """A client of a MongoDB replica set: of --outbox-mongo, else one that is started for the session, in a second."""
    from pymongo import MongoClient

    uri = pytestconfig.getoption("--outbox-mongo")
    with ExitStack() as stack:
        if uri is None:
            from outbox.embedded.mongo import EmbeddedMongo

            uri = stack.enter_context(EmbeddedMongo()).uri
        yield stack.enter_context(MongoClient[dict[str, Any]](uri))


@pytest.fixture
def outbox_factory(mongo: MongoClient[dict[str, Any]]) -> Iterator[OutboxFactory]:
    """Makes outboxes in a database of the test's own; they are closed, and it is dropped, at the test's end."""
    from outbox import Outbox

    database = f"test_{uuid.uuid4().hex}"
    with ExitStack() as stack:
        stack.callback(mongo.drop_database, database)

        def make(name: str = "outbox", **options: Any) -> Outbox:
            outbox = stack.enter_context(Outbox(mongo[database], name, **options))
            outbox.create()
            return outbox

        yield make
