"""Errors as the contract says them."""

from __future__ import annotations

import pytest
from pymongo.errors import AutoReconnect, OperationFailure

from outbox.errors import CursorInUse, HistoryLost, InvalidMessage, InvalidStart, MessageTooLarge, OutboxClosed
from outbox.gateway.answers import Refusal, answer, refusal_of


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (HistoryLost(3, 9), 410, "history_lost"),
        (InvalidStart("x"), 400, "bad_request"),
        (InvalidMessage("x"), 422, "invalid_message"),
        (MessageTooLarge("x"), 413, "too_large"),
        (CursorInUse("x"), 409, "taken"),
        (OutboxClosed("x"), 503, "closing"),
        (AutoReconnect("x"), 503, "unavailable"),
    ],
)
def test_each_error_has_its_status_and_code(error: Exception, status: int, code: str) -> None:
    refusal = refusal_of(error)

    assert refusal is not None
    assert (refusal.status, refusal.code) == (status, code)


def test_a_lost_history_says_what_was_expected_and_what_there_is() -> None:
    refusal = refusal_of(HistoryLost(3, 9))

    assert refusal is not None
    assert (refusal.body["expected"], refusal.body["oldest"]) == (3, 9)


def test_what_nobody_foresaw_is_no_refusal() -> None:
    assert refusal_of(ValueError("x")) is None
    assert refusal_of(OperationFailure("x", 13)) is None


def test_who_may_come_back_is_told_when() -> None:
    assert answer(Refusal(503, "closing", "x")).headers["retry-after"] == "1"
    assert "retry-after" not in answer(Refusal(404, "not_registered", "x")).headers
    assert answer(Refusal(401, "unauthorized", "x")).headers["www-authenticate"] == "Bearer"
