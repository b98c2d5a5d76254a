"""Records pushed as Server-Sent Events."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from outbox import Outbox
from outbox.gateway.delivery import window
from outbox.gateway.http import event_stream
from tests.actors.gateway import Served, gateway
from tests.waiting import wait_until


@dataclass
class Events:
    """The events of a stream, as they come."""

    lines: Iterator[str]

    def next(self) -> dict[str, str]:
        """Returns the next event, with its comments; nothing at the end."""
        event: dict[str, str] = {}
        for line in self.lines:
            if not line and event:
                return event
            name, _, value = line.partition(":")
            event[name or "comment"] = value.strip()
        return event

    def records(self, count: int) -> list[dict[str, Any]]:
        """Returns the next records."""
        found: list[dict[str, Any]] = []
        while len(found) < count:
            event = self.next()
            assert event, "the stream has ended"
            if "id" in event:
                found.append(json.loads(event["data"]))
                assert event["id"] == str(found[-1]["seq"])
        return found


@contextlib.contextmanager
def streaming(served: Served, path: str, last: int | None = None) -> Iterator[Events]:
    headers = {} if last is None else {"Last-Event-ID": str(last)}
    with served.client.stream("GET", path, headers=headers) as answer:
        assert answer.status_code == 200, answer.read()
        assert answer.headers["content-type"].startswith("text/event-stream")
        yield Events(answer.iter_lines())


def of(consumer: str) -> str:
    return f"/v1/consumers/{consumer}/stream"


def test_a_stream_gives_what_is_there_and_what_comes(served: Served, name: str) -> None:
    served.register(name)
    served.put(1)
    with streaming(served, of(name)) as events:
        assert events.next() == {"retry": "500"}
        assert events.records(1)[0]["data"]["total"] == 1
        served.put(2)
        assert events.records(1)[0]["data"]["total"] == 2


def test_the_last_event_id_acknowledges_and_resumes_behind_it(served: Served, name: str) -> None:
    served.register(name)
    last = served.put(1, 2, 3)
    with streaming(served, of(name)) as events:
        events.records(3)
    with streaming(served, of(name), last - 1) as events:
        assert [each["seq"] for each in events.records(1)] == [last]
    in_process = served.orders.consumer(f"anonymous.{name}")

    wait_until(lambda: in_process.position() == last - 1)


def test_without_it_what_was_not_acknowledged_comes_again(served: Served, name: str) -> None:
    served.register(name)
    last = served.put(1)
    for _ in range(2):
        with streaming(served, of(name)) as events:
            assert events.records(1)[0]["seq"] == last


def test_what_is_acknowledged_beside_the_stream_lets_more_come(
    served: Served, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(window, "MOST_RECORDS", 2)
    monkeypatch.setattr(event_stream, "STALLED_SECONDS", 20)
    served.register(name)
    last = served.put(1, 2, 3)
    with streaming(served, of(name)) as events:
        events.records(2)
        served.client.post(f"/v1/consumers/{name}/ack", json={"seq": last - 2})
        assert events.records(1)[0]["seq"] == last


def test_a_stream_that_nobody_acknowledges_ends_for_the_client_to_come_again(
    served: Served, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(window, "MOST_RECORDS", 2)
    monkeypatch.setattr(event_stream, "STALLED_SECONDS", 0.1)
    served.register(name)
    last = served.put(1, 2, 3)
    with streaming(served, of(name)) as events:
        events.records(2)
        assert events.next() == {}
    with streaming(served, of(name), last - 1) as events:
        assert events.records(1)[0]["seq"] == last


def test_a_silent_stream_has_heartbeats(served: Served, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_stream, "HEARTBEAT_SECONDS", 0.05)
    served.register(name)
    with streaming(served, of(name)) as events:
        events.next()
        assert events.next() == {"comment": "heartbeat"}


def test_a_client_that_has_gone_leaves_the_consumer_to_the_next(served: Served, name: str) -> None:
    served.register(name)
    for _ in range(3):
        with streaming(served, of(name)) as events:
            events.next()

    wait_until(lambda: not served.gateway.components.connected_ids)


@pytest.mark.usefixtures("impatient")
def test_a_second_stream_is_told_that_it_is_taken(served: Served, name: str) -> None:
    served.register(name)
    with streaming(served, of(name)):
        assert served.client.get(of(name)).status_code == 409


def test_a_stream_of_a_gateway_that_ends_says_so(orders: Outbox, name: str) -> None:
    with gateway(orders) as served:
        served.register(name)
        with streaming(served, of(name)) as registered, streaming(served, "/v1/live/stream") as live:
            for events in (registered, live):
                events.next()
            served.gateway.leave()
            for events in (registered, live):
                event = events.next()
                assert (event["event"], json.loads(event["data"])["error"]) == ("end", "closing")


def test_a_live_stream_gives_what_comes_and_resumes(served: Served) -> None:
    served.put(1)
    with streaming(served, "/v1/live/stream?types=order.placed") as events:
        events.next()
        last = served.put(2, 3)
        assert [each["data"]["total"] for each in events.records(2)] == [2, 3]
    with streaming(served, "/v1/live/stream", last - 1) as events:
        assert [each["seq"] for each in events.records(1)] == [last]


def test_a_resumed_live_stream_says_how_much_it_has_skipped(orders: Outbox) -> None:
    with gateway(orders) as served:
        last = served.put(1, 2, 3)
        with streaming(served, "/v1/live/stream", last - 2) as events:
            events.next()
            event = events.next()

    assert (event["event"], json.loads(event["data"])) == ("skipped", {"skipped": 2})


def test_what_is_no_seq_is_refused(served: Served) -> None:
    answer = served.client.get("/v1/live/stream", headers={"Last-Event-ID": "x"})

    assert (answer.status_code, answer.json()["error"]) == (400, "bad_request")
