"""A lease that is held for a `with` is given back at its end, whatever happens inside and to the server."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from pymongo.database import Database
from pymongo.errors import InvalidOperation, OperationFailure, PyMongoError

from outbox.mongo.lease import Lease

Document = dict[str, Any]


@pytest.fixture
def lease(database: Database[Document]) -> Lease:
    lease = Lease(database["outbox.leases"], "relay:kafka")
    assert lease.acquire()
    return lease


def owner(database: Database[Document]) -> object:
    document = database["outbox.leases"].find_one()
    assert document is not None
    return document["owner"]


def test_it_is_free_after_the_with(database: Database[Document], lease: Lease) -> None:
    with lease.held("relay 'kafka'"):
        assert owner(database) == lease.owner

    assert owner(database) is None
    assert not lease.fence


def test_it_is_free_after_an_error_which_goes_on(database: Database[Document], lease: Lease) -> None:
    with pytest.raises(KeyError), lease.held("relay 'kafka'"):
        raise KeyError

    assert owner(database) is None


@pytest.mark.parametrize(
    ("error", "level"),
    [
        (OperationFailure("not authorized", 13), logging.WARNING),
        (InvalidOperation("Cannot use MongoClient after close"), logging.INFO),
    ],
    ids=["refused", "the program has closed its client"],
)
def test_one_that_cannot_be_given_back_is_logged_and_hides_no_error(
    lease: Lease, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, error: PyMongoError, level: int
) -> None:
    """Goes red when what the end of the `with` raises stands in for what was raised inside."""

    def refuse() -> None:
        raise error

    caplog.set_level(logging.INFO)
    monkeypatch.setattr(lease, "release", refuse)
    with pytest.raises(KeyError), lease.held("relay 'kafka'", logging.getLogger("relay")):
        raise KeyError

    [said] = caplog.records
    assert (said.name, said.levelno) == ("relay", level)
    assert said.getMessage().startswith("relay 'kafka': the lease could not be given back: ")
