"""Registering over HTTP, polling and acknowledging: the durable consumer of that name, by other means."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
from jsonschema import validate

from outbox.gateway.http.schemas import CONSUMER, RECORDS
from tests.actors.gateway import Served, totals
from tests.waiting import wait_until


def test_a_consumer_is_registered_once_and_keeps_its_position(served: Served, name: str) -> None:
    served.put(1)
    first = served.client.put(f"/v1/consumers/{name}", json={"start": "latest"})
    again = served.client.put(f"/v1/consumers/{name}", json={"start": "earliest"})

    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json()["position"] == again.json()["position"] == served.orders.log.head()
    validate(again.json(), CONSUMER)


def test_what_is_not_registered_is_not_there(served: Served) -> None:
    for path in ("", "/records"):
        answer = served.client.get(f"/v1/consumers/nobody{path}")
        assert (answer.status_code, answer.json()["error"]) == (404, "not_registered")


def test_live_is_no_name_of_a_registered_consumer(served: Served) -> None:
    answer = served.client.put("/v1/consumers/live")

    assert (answer.status_code, answer.json()["error"]) == (400, "live_not_allowed")


def test_a_poll_gives_what_comes_after_the_position_and_the_next_one_acknowledges(served: Served, name: str) -> None:
    served.register(name)
    served.put(1, 2, 3)

    first = served.poll(name, limit=2)
    again = served.poll(name, limit=2)
    rest = served.poll(name, after=first["next"])

    assert totals(first) == totals(again) == [1, 2]
    assert totals(rest) == [3]
    assert rest["next"] == rest["head"] == served.orders.log.head()
    validate(rest, RECORDS)


def test_the_position_is_that_of_the_consumer_in_process(served: Served, name: str) -> None:
    served.register(name)
    last = served.put(1, 2)
    served.poll(name, after=last - 1)
    in_process = served.orders.consumer(f"anonymous.{name}")

    wait_until(lambda: in_process.position() == last - 1)


def test_a_position_outlives_the_run_that_moved_it(served: Served, name: str) -> None:
    served.register(name)
    last = served.put(1, 2)
    served.client.post(f"/v1/consumers/{name}/ack", json={"seq": last - 1})
    in_process = served.orders.consumer(f"anonymous.{name}")
    wait_until(lambda: in_process.position() == last - 1)

    assert totals(served.poll(name)) == [2]


def test_a_poll_waits_for_what_comes(served: Served, name: str) -> None:
    served.register(name)
    putting = threading.Timer(0.3, served.put, (7,))
    putting.start()
    began = time.monotonic()

    assert totals(served.poll(name, wait=10)) == [7]
    assert time.monotonic() - began < 5
    putting.join()


def test_what_a_filter_passes_over_counts_as_delivered(served: Served, name: str) -> None:
    served.register(name)
    last = served.put(1, 2)

    answer = served.poll(name, types="order.cancelled")

    assert (answer["records"], answer["next"]) == ([], last)
    assert served.poll(name)["records"] == []


def test_the_types_it_was_registered_with_hold_for_all_calls(served: Served, name: str) -> None:
    served.register(name, types=["order.cancelled"])
    last = served.put(1, 2)

    assert served.poll(name) == {"records": [], "next": last, "head": last, "oldest": served.orders.log.oldest()}
    assert served.client.put(f"/v1/consumers/{name}", json={"types": ["order.placed"]}).status_code == 200
    assert served.client.get(f"/v1/consumers/{name}").json()["types"] == ["order.placed"]


@pytest.mark.parametrize("how", ["poll", "ack"])
def test_what_was_never_given_cannot_be_acknowledged(served: Served, name: str, how: str) -> None:
    served.register(name)
    beyond = served.orders.log.head() + 1
    answer = (
        served.client.get(f"/v1/consumers/{name}/records", params={"after": beyond})
        if how == "poll"
        else served.client.post(f"/v1/consumers/{name}/ack", json={"seq": beyond})
    )

    assert (answer.status_code, answer.json()["error"]) == (400, "bad_request")
    assert served.client.get(f"/v1/consumers/{name}").json()["position"] == beyond - 1


def test_an_older_acknowledgement_moves_nothing_back(served: Served, name: str) -> None:
    served.register(name)
    last = served.put(1, 2)
    served.poll(name, after=last)

    assert served.poll(name, after=last - 1)["records"] == []


def test_a_consumer_is_forgotten_and_holds_nothing(served: Served, name: str) -> None:
    served.register(name)

    assert served.client.delete(f"/v1/consumers/{name}").status_code == 204
    assert served.client.delete(f"/v1/consumers/{name}").status_code == 404
    assert served.orders.consumer(f"anonymous.{name}").position() is None


def test_a_poll_whose_client_has_gone_leaves_the_consumer_to_the_next(served: Served, name: str) -> None:
    served.register(name)
    with pytest.raises(Exception, match="timed out"):
        served.client.get(f"/v1/consumers/{name}/records", params={"wait": 20}, timeout=0.3)

    wait_until(lambda: served.client.get(f"/v1/consumers/{name}/records").status_code == 200, 5)


def test_a_position_that_the_log_has_lost_is_told_with_what_it_has(served: Served, name: str) -> None:
    answer = served.client.put(f"/v1/consumers/{name}", json={"start": 10**6})

    assert (answer.status_code, answer.json()["error"]) == (400, "bad_request")
    assert served.client.get(f"/v1/consumers/{name}").status_code == 404


@pytest.mark.parametrize(
    ("path", "asked"),
    [
        ("records", {"limit": 0}),
        ("records", {"limit": 1001}),
        ("records", {"wait": 31}),
        ("records", {"wait": "nan"}),
        ("records", {"after": -1}),
        ("records", {"after": "1e3"}),
        ("records", {"types": ""}),
        ("records", {"typos": "order.placed"}),
    ],
)
def test_what_cannot_be_asked_is_refused(served: Served, path: str, asked: dict[str, Any]) -> None:
    answer = served.client.get(f"/v1/consumers/some/{path}", params=asked)

    assert (answer.status_code, answer.json()["error"]) == (400, "bad_request")


def test_a_poll_that_lingers_gives_what_comes_shortly_after_together(served: Served, name: str) -> None:
    served.register(name)
    with served.polling(name, wait=10, limit=2, linger_ms=10_000) as answers:
        served.put(1)
        assert answers == []
        served.put(2)

    assert totals(answers[0].json()) == [1, 2]
