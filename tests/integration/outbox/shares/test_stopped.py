"""Why a relay has stopped can be asked when its process is gone or at other work."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.errors import OperationFailure

from outbox import Outbox
from outbox.mongo import patience
from outbox.mongo.collections import Collections
from outbox.mongo.lease import Lease, read_lease
from outbox.shares.stopped import clear, described, note

pytestmark = pytest.mark.oldest_server


@pytest.fixture
def lease(orders: Outbox) -> Lease:
    """The relay's, which it has given back."""
    lease = Lease(orders.collections.leases, "relay:kafka")
    assert lease.acquire()
    lease.release()
    return lease


def said(orders: Outbox) -> dict[str, Any] | None:
    return described(read_lease(orders.collections.leases, "relay:kafka"))


@pytest.mark.usefixtures("lease")
def test_a_reason_that_names_a_path_in_another_encoding_is_kept_too(orders: Outbox) -> None:
    """Goes red when it is stored as it is: the driver's error of that hid the relay's own."""
    note(orders.collections, "relay:kafka", FileNotFoundError("no /etc/caf\udce9.pem"))

    assert (said(orders) or {})["why"] == r"no /etc/caf\udce9.pem"


@pytest.mark.usefixtures("lease")
def test_a_relay_that_has_stopped_says_why_and_when(orders: Outbox) -> None:
    note(orders.collections, "relay:kafka", ValueError("the topic is gone"))

    found = said(orders)

    assert found is not None
    assert found["why"] == "the topic is gone"
    assert abs(datetime.fromisoformat(found["at"]) - datetime.now(UTC)).total_seconds() < 600


@pytest.mark.usefixtures("lease")
def test_the_last_reason_counts(orders: Outbox) -> None:
    note(orders.collections, "relay:kafka", ValueError("first"))
    note(orders.collections, "relay:kafka", ValueError("last"))

    assert (said(orders) or {})["why"] == "last"


@pytest.mark.usefixtures("lease")
@pytest.mark.parametrize("text", ["$owner", "$$NOW", "", "é\n\x00", "x" * 100_000])
def test_a_reason_is_kept_word_for_word(orders: Outbox, text: str) -> None:
    note(orders.collections, "relay:kafka", ValueError(text))

    assert (said(orders) or {})["why"] == text


@pytest.mark.usefixtures("lease")
def test_an_error_of_the_server_is_kept_without_the_driver_s_appendix(orders: Outbox) -> None:
    note(orders.collections, "relay:kafka", OperationFailure("it is full, full error: {'ok': 0.0}", 14031))

    assert (said(orders) or {})["why"] == "it is full"


@pytest.mark.usefixtures("lease")
def test_a_relay_that_starts_again_says_nothing_of_it(orders: Outbox) -> None:
    note(orders.collections, "relay:kafka", ValueError("the topic is gone"))

    clear(orders.collections, "relay:kafka")

    assert said(orders) is None


def test_a_relay_that_is_at_work_has_not_stopped(orders: Outbox, lease: Lease) -> None:
    note(orders.collections, "relay:kafka", ValueError("the topic is gone"))
    assert lease.acquire()

    assert said(orders) is None

    lease.release()


@pytest.mark.usefixtures("lease")
def test_a_relay_that_has_ended_in_order_gives_no_reason(orders: Outbox) -> None:
    assert said(orders) is None


def test_a_relay_that_was_never_there_gives_none_and_gets_no_lease(orders: Outbox) -> None:
    note(orders.collections, "relay:kafka", ValueError("the topic is gone"))
    clear(orders.collections, "relay:kafka")

    assert said(orders) is None
    assert read_lease(orders.collections.leases, "relay:kafka") is None


@pytest.mark.usefixtures("lease")
def test_another_relay_s_reason_is_its_own(orders: Outbox) -> None:
    note(orders.collections, "other", ValueError("the topic is gone"))

    assert said(orders) is None


@pytest.mark.usefixtures("lease")
def test_a_reason_is_kept_outside_the_caller_s_transaction(orders: Outbox) -> None:
    with orders.collections.client.start_session().bind() as session, session.start_transaction():
        note(orders.collections, "relay:kafka", ValueError("the topic is gone"))
        session.abort_transaction()

    assert said(orders) is not None


def test_a_server_that_is_away_costs_the_reason_and_the_log_says_so(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "_seconds", 0.2)
    caplog.set_level(logging.INFO, "outbox")
    with MongoClient[dict[str, Any]]("mongodb://127.0.0.1:1") as client:
        nowhere = Collections(client.shop, "outbox")
        note(nowhere, "relay:kafka", ValueError("the topic is gone"))
        clear(nowhere, "relay:kafka")

    assert caplog.text.count("why 'relay:kafka' stopped could not be kept for its status") == 2
