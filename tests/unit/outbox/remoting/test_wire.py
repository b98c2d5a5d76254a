"""What a gateway's answers mean."""

from __future__ import annotations

import httpx2
import pytest

from outbox.errors import HistoryLost, InvalidMessage, LogReplaced, MessageTooLarge
from outbox.remoting.wire import Again, RemoteRefused, checked


def response(status: int, code: str, **more: object) -> httpx2.Response:
    return httpx2.Response(status, json={"error": code, "detail": "why", **more}, headers={"Retry-After": "7"})


@pytest.mark.parametrize(
    ("refused", "error"),
    [
        (response(422, "invalid_message"), InvalidMessage),
        (response(413, "too_large"), MessageTooLarge),
        (response(410, "history_lost", expected=1, oldest=5), HistoryLost),
        (response(410, "history_lost"), RemoteRefused),
        (response(410, "log_replaced"), LogReplaced),
        (response(401, "unauthorized"), RemoteRefused),
        (response(409, "shared"), RemoteRefused),
        (httpx2.Response(404, text="<html>"), RemoteRefused),
    ],
)
def test_what_does_not_pass_is_raised(refused: httpx2.Response, error: type[Exception]) -> None:
    with pytest.raises(error):
        checked(refused)


@pytest.mark.parametrize("status", [409, 429, 500, 502, 503, 504])
def test_what_passes_is_tried_again_and_not_sooner_than_it_says(status: int) -> None:
    with pytest.raises(Again) as again:
        checked(response(status, "taken"))

    assert again.value.seconds == 7
