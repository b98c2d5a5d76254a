"""What a gateway's answers mean."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import httpx2
import pytest
from bson import Decimal128
from mongoengine import DateTimeField, Decimal128Field, EmbeddedDocument

from outbox import Record, message, upcast
from outbox.errors import HistoryLost, InvalidMessage, LogReplaced, MessageTooLarge
from outbox.messages import versions
from outbox.remoting.wire import Again, RemoteRefused, Wire, checked


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


@message("order.placed", version=2)
class OrderPlaced(EmbeddedDocument):
    placed = DateTimeField()
    total = Decimal128Field()


def answered(data: dict[str, object], **headers: str) -> Record[OrderPlaced]:
    """What is made of an answer with one record."""
    found = {"seq": 1, "id": "0" * 24, "created": "2025-01-02T03:04:05.678Z", "type": "order.placed", "key": None}
    body = {"records": [{**found, "headers": headers, "data": data}], "next": 1, "head": 1}
    [record] = Wire([OrderPlaced]).answer(httpx2.Response(200, json=body)).records
    return record


def test_a_message_of_its_class_is_read_by_its_schema() -> None:
    record = answered({"placed": "2025-01-02T03:04:05Z", "total": "9.90"}, **{"schema-version": "2"})

    assert record.data == {"placed": datetime(2025, 1, 2, 3, 4, 5, tzinfo=UTC), "total": Decimal128("9.90")}
    assert record.message is not None
    assert record.message.total == Decimal("9.90")


def test_an_older_message_reaches_its_upcasts_as_json_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(versions, "_upcasts", {})
    given: list[object] = []

    @upcast("order.placed", 1)
    def with_total(data: dict[str, Any]) -> dict[str, Any]:
        given.append(dict(data))
        return {"placed": data["placed"], "total": data.pop("sum")}

    record = answered({"placed": "2025-01-02T03:04:05Z", "sum": "9.90"})

    assert record.message is not None
    assert given == [record.data] == [{"placed": "2025-01-02T03:04:05Z", "sum": "9.90"}]
    assert (record.message.placed, record.message.total) == (
        datetime(2025, 1, 2, 3, 4, 5, tzinfo=UTC),
        Decimal("9.90"),
    )


@pytest.mark.parametrize("version", ["3", "no"])
def test_a_version_that_cannot_be_read_is_said_by_the_message_alone(version: str) -> None:
    record = answered({"total": "9.90"}, **{"schema-version": version})

    assert record.data == {"total": "9.90"}
    with pytest.raises(InvalidMessage, match="version"):
        _ = record.message
