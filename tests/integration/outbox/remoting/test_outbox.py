"""An outbox that is reached through its gateway."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from outbox import InvalidMessage, InvalidSelector, InvalidStart, Outbox, Record, UnknownMessage, message_type
from outbox.remoting.connection import Connection
from outbox.remoting.events import Connected, Received
from outbox.remoting.outbox import RemoteOutbox
from outbox.remoting.wire import RemoteRefused
from tests.actors.gateway import Served, gateway
from tests.actors.order_service import MESSAGES, OrderCancelled, placed
from tests.waiting import wait_until


def test_what_is_put_is_a_message_like_any_other(served: Served, remote: RemoteOutbox) -> None:
    id = remote.put(placed(7, "acme"), headers={"source": "web"})
    record = served.orders.log.record_at(served.numbered())

    assert record is not None
    assert (record.id, record.key, record.headers) == (id, "acme", {"source": "web"})
    assert record.data == {"order_id": "acme", "total": 7}


def test_what_its_class_refuses_is_refused_before_it_is_sent(remote: RemoteOutbox) -> None:
    other: Any = message_type("other", schema={})
    with pytest.raises(InvalidMessage):
        remote.put(placed(-1))
    with pytest.raises(UnknownMessage):
        remote.put(other({}))
    with pytest.raises(InvalidMessage, match="one message"):
        remote.put([placed(1)])  # type: ignore[arg-type]  # what it refuses


def test_reading_gives_all_to_the_head_and_decodes_what_it_knows(served: Served, remote: RemoteOutbox) -> None:
    last = served.put(*range(5))
    records = list(remote.read(last - 4))

    assert [each.seq for each in records] == list(range(last - 4, last + 1))
    assert records[0].message == placed(0)
    assert records[0] == served.orders.log.record_at(last - 4)
    assert [each.seq for each in remote.read()] == list(range(1, last + 1))
    assert list(remote.read("latest")) == []
    assert list(remote.read(last - 4, types=[OrderCancelled])) == []


def test_observing_gives_what_comes(served: Served, remote: RemoteOutbox) -> None:
    seen: list[Record[Any]] = []
    events: list[Any] = []
    last = served.put(1)
    subscription = remote.observe(last, types=["order.placed"], on_event=events.append).subscribe(seen.append)
    wait_until(lambda: len(seen) == 1)
    served.put(2)
    wait_until(lambda: len(seen) == 2)
    subscription.dispose()

    assert [each.seq for each in seen] == [last, last + 1]
    assert events == [Connected(), Received(1), Received(1)]


def test_observing_gives_what_is_put_from_the_subscription_on(
    served: Served, remote: RemoteOutbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on, lasting = threading.Event(), Connection.lasting

    def late(self: Connection, *arguments: Any) -> Any:
        assert go_on.wait(30)
        return lasting(self, *arguments)

    monkeypatch.setattr(Connection, "lasting", late)
    served.put(1)
    seen: list[Record[Any]] = []
    subscription = remote.observe().subscribe(seen.append)
    last = served.put(2)
    go_on.set()
    wait_until(lambda: seen, 10)
    subscription.dispose()

    assert [each.seq for each in seen] == [last]


def test_what_cannot_be_asked_is_refused_at_once(remote: RemoteOutbox) -> None:
    with pytest.raises(InvalidStart):
        remote.read(0)
    with pytest.raises(InvalidStart, match="a consumer takes a date"):
        remote.read(datetime.now(UTC))
    with pytest.raises(InvalidSelector):
        remote.read(types="order.placed")


def test_what_the_gateway_refuses_is_raised_with_its_code(served: Served, remote: RemoteOutbox) -> None:
    with pytest.raises(RemoteRefused) as refused, RemoteOutbox(f"{served.client.base_url}/elsewhere") as lost:
        list(lost.read())

    assert (refused.value.status, refused.value.code) == (404, "no_such_call")


def test_it_is_reached_by_a_unix_socket(orders: Outbox, tmp_path: Path) -> None:
    path = tmp_path / "gateway.sock"
    with gateway(orders, socket=path) as served, RemoteOutbox(f"unix://{path}", messages=MESSAGES) as remote:
        id = remote.put(placed(5))
        last = served.numbered()

        assert [each.id for each in remote.read(last)] == [id]
