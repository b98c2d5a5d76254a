"""Posting messages: validated by their classes, put once for each Idempotency-Key."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from jsonschema import validate

from outbox.gateway.http.schemas import POSTED
from tests.actors.gateway import Served

DATA: dict[str, Any] = {"order_id": "7", "total": 1}


def post(served: Served, data: Any = DATA, key: str | None = None, path: str = "/v1/messages", **fields: Any) -> Any:
    headers = {} if key is None else {"Idempotency-Key": key}
    return served.client.post(path, json={"type": "order.placed", "data": data, **fields}, headers=headers)


def test_what_is_posted_is_a_message_like_any_other(served: Served) -> None:
    answer = post(served, headers={"source": "web"}, path="/v1/messages?wait=5")
    record = served.orders.log.record_at(answer.json()["seq"])

    assert answer.status_code == 201
    validate(answer.json(), POSTED)
    assert record is not None
    assert (str(record.id), record.key, record.data) == (answer.json()["id"], "7", DATA)
    assert record.headers == {"source": "web"}


def test_the_same_key_again_puts_nothing_and_answers_with_the_same_id(served: Served, name: str) -> None:
    first, again = post(served, key=name), post(served, key=name, path="/v1/messages?wait=5")

    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json()["id"] == again.json()["id"]
    assert served.numbered() == again.json()["seq"]


def test_the_same_message_written_otherwise_is_the_same(served: Served, name: str) -> None:
    first = post(served, key=name, headers={"a": "1", "b": "2"})
    written = (
        '{ "headers": {"b": "2", "a": "1"}, "data": {"total": 1, "order_id": "7"}, "key": null, "type": "order.placed"}'
    )
    headers = {"Idempotency-Key": name, "Content-Type": "application/json"}
    again = served.client.post("/v1/messages", content=written, headers=headers)

    assert (again.status_code, again.json()) == (200, first.json())


def test_a_key_that_comes_many_times_at_once_puts_once(served: Served, name: str) -> None:
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: post(served, key=name), range(6)))

    assert sorted(each.status_code for each in answers) == [200] * 5 + [201]
    assert len({each.json()["id"] for each in answers}) == 1


def test_a_key_with_another_message_is_a_mistake(served: Served, name: str) -> None:
    post(served, key=name)
    answer = post(served, {"order_id": "8"}, key=name)

    assert (answer.status_code, answer.json()["error"]) == (422, "key_reused")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ({"order_id": "7", "total": -1}, "total"),
        ({"order_id": "7", "tootal": 1}, "tootal"),
        ({"total": 1}, "order_id"),
        ({"order_id": 7}, "order_id"),
        (None, "compacted"),
    ],
)
def test_what_its_class_refuses_is_refused_with_the_reason(served: Served, data: Any, reason: str) -> None:
    answer = post(served, data)

    assert (answer.status_code, answer.json()["error"]) == (422, "invalid_message")
    assert reason in answer.json()["detail"]


def test_an_unknown_type_is_refused(served: Served) -> None:
    assert post(served, type="order.lost").status_code == 422


def test_a_key_that_is_not_the_message_s_own_is_refused(served: Served) -> None:
    answer = served.client.post("/v1/messages", json={"type": "order.placed", "key": "8", "data": DATA})

    assert (answer.status_code, answer.json()["error"]) == (422, "invalid_message")


@pytest.mark.parametrize("headers", [{"id": "1"}, {"a b": "1"}, {"a": "line\nbreak"}, {"a": 1}])
def test_headers_that_no_message_may_have_are_refused(served: Served, headers: Any) -> None:
    assert post(served, headers=headers).status_code == 422


def test_the_body_is_json_and_says_so(served: Served) -> None:
    kind = {"Content-Type": "text/plain"}
    assert served.client.post("/v1/messages", content='{"type": "a"}', headers=kind).status_code == 415
    kind = {"Content-Type": "application/json"}
    for body in ("{", "[]", '{"type": NaN}', "[" * 100_000, '{"type": 1}', '{"data": {}}'):
        answer = served.client.post("/v1/messages", content=body, headers=kind)
        assert (answer.status_code, answer.json()["error"]) == (400, "bad_request"), body


@pytest.mark.parametrize("key", ["", "a b", "é".encode().decode("latin-1"), "k" * 256])
def test_a_key_is_of_visible_characters(served: Served, key: str) -> None:
    body = {"type": "order.placed", "data": DATA}
    answer = served.client.post("/v1/messages", json=body, headers={"Idempotency-Key": key.encode("latin-1")})  # type: ignore[dict-item]  # bytes, for what is no ASCII

    assert answer.status_code == 400


def test_what_is_remembered_is_forgotten_after_a_day(served: Served, name: str) -> None:
    post(served, key=name)
    index = served.orders.collections.database["outbox.posts"].index_information()["kept"]

    assert index["expireAfterSeconds"] == 86_400
