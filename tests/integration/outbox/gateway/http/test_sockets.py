"""Records pushed on a WebSocket, as far as the client gives credits."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from outbox import Outbox
from tests.actors.gateway import Served, gateway
from tests.waiting import wait_until


class Socket:
    """A client's end."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection

    def say(self, **said: Any) -> None:
        self.connection.send(json.dumps(said))

    def hear(self, seconds: float = 10) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.connection.recv(seconds))
        return found

    def records(self, count: int) -> list[int]:
        """Returns the seqs of the next records."""
        found: list[int] = []
        while len(found) < count:
            found += [each["seq"] for each in self.hear()["records"]]
        return found

    def hears_nothing(self) -> bool:
        with contextlib.suppress(TimeoutError):
            self.hear(0.3)
            return False
        return True


@contextlib.contextmanager
def socket(served: Served, path: str, **options: Any) -> Iterator[Socket]:
    address = str(served.client.base_url).replace("http", "ws").rstrip("/")
    with connect(f"{address}{path}", **options) as connection:
        yield Socket(connection)


def of(consumer: str) -> str:
    return f"/v1/consumers/{consumer}/ws"


def test_no_more_is_in_flight_than_the_client_has_given_credits_for(served: Served, name: str) -> None:
    served.register(name)
    last = served.put(1, 2, 3, 4)
    with socket(served, of(name)) as client:
        assert client.hears_nothing()
        client.say(credits=2)
        assert client.records(2) == [last - 3, last - 2]
        assert client.hears_nothing()
        client.say(ack=last - 2)
        assert client.records(2) == [last - 1, last]


def test_batches_are_numbered_and_say_what_is_next(served: Served, name: str) -> None:
    served.register(name)
    with socket(served, of(name)) as client:
        client.say(credits=10)
        batches = []
        for total in (1, 2):
            last = served.put(total)
            batches.append(client.hear())
            assert batches[-1]["next"] == last

    assert [each["batch"] for each in batches] == [1, 2]


def test_an_acknowledgement_is_the_consumer_s_position(served: Served, name: str) -> None:
    served.register(name)
    last = served.put(1, 2)
    with socket(served, of(name)) as client:
        client.say(credits=10)
        client.records(2)
        client.say(ack=last - 1)
        in_process = served.orders.consumer(f"anonymous.{name}")
        wait_until(lambda: in_process.position() == last - 1)
    with socket(served, of(name)) as client:
        client.say(credits=10)
        assert client.records(1) == [last]


def test_a_million_credits_are_a_thousand(served: Served, name: str) -> None:
    served.register(name)
    with socket(served, of(name)) as client:
        client.say(credits=10**6)
        last = served.put(1)
        assert client.records(1) == [last]


@pytest.mark.parametrize("said", ["{", "[]", '{"credit": 1}', '{"credits": -1}', '{"ack": 1.5}', '{"ack": 999999999}'])
def test_what_cannot_be_understood_ends_it_with_the_reason(served: Served, name: str, said: str) -> None:
    served.register(name)
    with socket(served, of(name)) as client:
        client.connection.send(said)
        assert client.hear()["error"] == "bad_request"
        with pytest.raises(ConnectionClosed) as closed:
            client.hear()

    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1008


@pytest.mark.parametrize(("path", "status"), [(of("nobody"), 404), (of("a b"), 400), ("/v1/live/ws?typos=1", 400)])
def test_what_cannot_be_opened_is_refused_as_any_call_and_that_is_no_fault_of_the_gateway(
    served: Served, path: str, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(InvalidStatus) as refused, socket(served, path.replace(" ", "%20")):
        pass

    assert refused.value.response.status_code == status
    assert "error" in json.loads(refused.value.response.body)
    served.client.get("/healthz")  # what is to be logged is logged by then
    assert [each for each in caplog.records if each.levelname == "ERROR"] == []


@pytest.mark.usefixtures("impatient")
def test_a_second_one_is_told_that_it_is_taken(served: Served, name: str) -> None:
    served.register(name)
    with socket(served, of(name)), pytest.raises(InvalidStatus) as refused, socket(served, of(name)):
        pass

    assert refused.value.response.status_code == 409


def test_a_page_of_another_origin_cannot_connect(served: Served) -> None:
    with pytest.raises(InvalidStatus) as refused, socket(served, "/v1/live/ws", origin="http://evil.example"):
        pass

    assert refused.value.response.status_code == 403


def test_a_gateway_that_ends_tells_clients_to_come_back(orders: Outbox, name: str) -> None:
    with gateway(orders) as served:
        served.register(name)
        with socket(served, of(name)) as client:
            client.say(credits=1)
            served.gateway.leave()
            assert client.hear()["error"] == "closing"
            with pytest.raises(ConnectionClosed) as closed:
                client.hear()

    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1012


def test_a_live_one_gives_what_comes(served: Served) -> None:
    served.put(1)
    with socket(served, "/v1/live/ws?types=order.placed") as client:
        client.say(credits=1)
        last = served.put(2, 3)
        assert client.records(1) == [last - 1]
        assert client.hears_nothing()
        client.say(ack=last - 1)
        assert client.records(1) == [last]


def test_where_there_is_none_that_is_said_as_for_any_call(served: Served) -> None:
    with pytest.raises(InvalidStatus) as refused, socket(served, "/v1/no/such"):
        pass

    assert refused.value.response.status_code == 404
    assert json.loads(refused.value.response.body or b"")["error"] == "no_such_call"


def test_one_that_lingers_is_given_what_comes_shortly_after_in_one_batch(served: Served, name: str) -> None:
    served.register(name)
    with socket(served, f"{of(name)}?linger_ms=10000") as client:
        client.say(credits=2)
        served.put(1)
        served.put(2)
        assert [each["data"]["total"] for each in client.hear()["records"]] == [1, 2]
