"""Polling without a registration: what comes, and what was missed."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from jsonschema import validate

from outbox import Outbox
from outbox.gateway.delivery.live import Live
from outbox.gateway.http.schemas import LIVE_RECORDS
from tests.actors.gateway import Served, gateway, totals


def poll(served: Served, **asked: Any) -> dict[str, Any]:
    answer = served.client.get("/v1/live/records", params=asked)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    validate(found, LIVE_RECORDS)
    return found


def test_it_begins_with_what_comes(served: Served) -> None:
    last = served.put(1)
    first = poll(served)
    assert (first["records"], first["next"]) == ([], last)
    served.put(2)

    second = poll(served, after=first["next"], wait=10)

    assert (totals(second), second["next"], second["skipped"]) == ([2], last + 1, 0)


def test_it_waits_for_what_comes(served: Served) -> None:
    putting = threading.Timer(0.3, served.put, (7,))
    putting.start()

    assert totals(poll(served, wait=10)) == [7]
    putting.join()


def test_what_a_filter_passes_over_is_behind_next(served: Served) -> None:
    after = poll(served)["next"]
    last = served.put(1, 2)
    served.client.get("/v1/live/records", params={"after": last - 1, "wait": 10})

    answer = poll(served, after=after, types="order.cancelled")

    assert (answer["records"], answer["next"]) == ([], last)


def test_what_the_process_does_not_keep_comes_from_the_log(orders: Outbox) -> None:
    with gateway(orders) as served:
        last = served.put(1, 2, 3)
        first = poll(served, after=last - 3, limit=2)
        second = poll(served, after=first["next"])
        none = poll(served, after=last - 3, types="order.cancelled")

    assert (totals(first), first["next"], first["skipped"]) == ([1, 2], last - 1, 0)
    assert (totals(second), second["next"]) == ([3], last)
    assert (none["records"], none["next"]) == ([], last)


def test_a_seq_that_another_process_has_given_already_is_taken(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    last = served.put(1)
    with monkeypatch.context() as behind:
        behind.setattr(Live, "head", property(lambda live: last - 1))
        answer = poll(served, after=last)

    assert (answer["records"], answer["next"], answer["skipped"]) == ([], last, 0)


def test_a_seq_that_was_never_given_is_refused(served: Served) -> None:
    assert served.client.get("/v1/live/records", params={"after": 10**9}).status_code == 400
