"""A gateway is killed and started again, twice, while live and registered clients of every kind are served.

`OUTBOX_TEST_LOAD=full` has 500 live clients and 20 registered ones instead of a few.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from pymongo.database import Database

from outbox import Outbox, Record, remote
from tests.acceptance.conftest import Start
from tests.acceptance.process import Process
from tests.actors.gateway_clients import consume_by_websocket, live_clients
from tests.actors.order_service import new_outbox, placed
from tests.load.size import size
from tests.servers.ports import free_port
from tests.waiting import wait_until

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(300)]

LIVE = size(25, 500)
EACH = size(1, 7)
"""So many registered clients poll, so many are pushed to by events, and about as many by WebSocket."""
MESSAGES = size(600, 4000)
A_SECOND = 200
KEYS = 50
MEBIBYTES = size(220, 400)
"""Of the gateway: 142 to 164 were seen with all the clients there are, 76 when it has just begun."""

log = logging.getLogger(__name__)

Handle = Callable[[int, "str | None"], None]


class Seen:
    """What a registered client has handled."""

    def __init__(self) -> None:
        self._newest: dict[str | None, int] = {}
        self.seqs: set[int] = set()
        self.count = 0
        self.is_in_order = True
        """For each key, but for what comes again."""

    def handle(self, seq: int, key: str | None) -> None:
        self.count += 1
        if seq not in self.seqs:
            self.is_in_order &= seq > self._newest.get(key, 0)
            self._newest[key] = seq
            self.seqs.add(seq)


class Gateway:
    """The process, always on the same port."""

    def __init__(self, start: Start, uri: str, database: str) -> None:
        self.port = free_port()
        self._begin = lambda: start("serve", uri, database, self.port)
        self.process: Process = self._begin()
        self.wait_until_ready()

    def wait_until_ready(self) -> None:
        def is_ready() -> bool:
            assert self.process.exit_code is None, self.process.said()
            with contextlib.suppress(httpx2.TransportError):
                return httpx2.get(f"http://127.0.0.1:{self.port}/readyz").is_success
            return False

        wait_until(is_ready, 60, "the gateway to be ready")

    def kill_and_start(self) -> None:
        self.process.kill()
        self.process = self._begin()

    @property
    def resident(self) -> float:
        """Its memory, in MiB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) / 1024


def poll(port: int, name: str, handle: Handle, stop: threading.Event) -> None:
    with remote(f"http://127.0.0.1:{port}") as orders:
        orders.consumer(name).run(lambda record: handle(record.seq, record.key), stop=stop)


def observe(port: int, name: str, handle: Handle, stop: threading.Event) -> None:
    with remote(f"http://127.0.0.1:{port}") as orders:
        consumer = orders.consumer(name)

        def take(record: Record[Any]) -> None:
            handle(record.seq, record.key)
            consumer.ack(record)

        with contextlib.closing(_Subscribed(consumer.observe().subscribe(take))):
            stop.wait()


class _Subscribed:
    def __init__(self, subscription: Any) -> None:
        self.close = subscription.dispose


def push(port: int, name: str, handle: Handle, stop: threading.Event) -> None:
    httpx2.put(f"http://127.0.0.1:{port}/v1/consumers/{name}").raise_for_status()
    consume_by_websocket(port, name, lambda record: handle(record["seq"], record["key"]), stop)


@contextlib.contextmanager
def registered_clients(port: int) -> Iterator[list[Seen]]:
    ways = [poll] * EACH + [observe] * EACH + [push] * max(1, EACH - 1)
    stop, clients = threading.Event(), [Seen() for _ in ways]
    threads = [
        threading.Thread(target=way, args=(port, f"c{number}", seen.handle, stop))
        for number, (way, seen) in enumerate(zip(ways, clients, strict=True))
    ]
    for thread in threads:
        thread.start()
    try:
        yield clients
    finally:
        stop.set()
        for thread in threads:
            thread.join(30)


def put_all(orders: Outbox, meanwhile: dict[int, Callable[[], None]]) -> None:
    """Puts the messages at their rate; does something else when so many are put."""
    began = time.monotonic()
    for first in range(0, MESSAGES, 20):
        if first in meanwhile:
            meanwhile[first]()
        orders.put([placed(total, str(total % KEYS)) for total in range(first, first + 20)], standalone=True)
        threading.Event().wait(max(0.0, began + (first + 20) / A_SECOND - time.monotonic()))


def test_registered_clients_lose_nothing_live_ones_know_what_they_missed_and_memory_keeps_its_bounds(
    start: Start, mongo_uri: str, database: Database[Any]
) -> None:
    orders = new_outbox(database, capacity="64 MiB", sequence=False)
    gateway = Gateway(start, mongo_uri, database.name)
    memory: list[float] = []

    def kill() -> None:
        gateway.wait_until_ready()
        memory.append(gateway.resident)
        gateway.kill_and_start()

    with registered_clients(gateway.port) as registered, live_clients(gateway.port, LIVE) as live:
        wait_until(lambda: len(orders.readers()) == len(registered), 60, "all to be registered")
        third = MESSAGES // 60 * 20
        put_all(orders, {third: kill, 2 * third: kill})
        ended = time.monotonic()
        wait_until(lambda: all(len(each.seqs) == MESSAGES for each in registered), 90, "all to be handled")
        log.info("all was handled %.1f s after the last put", time.monotonic() - ended)
        orders.put(placed(0), standalone=True)
        wait_until(lambda: orders.log.head() == MESSAGES + 1, 30, "the last one's number")
        wait_until(lambda: all(each.last == MESSAGES + 1 for each in live), 60, "all live ones to be at the head")
        memory.append(gateway.resident)

    repeated = sum(each.count - len(each.seqs) for each in registered)
    told = sum(each.told for each in live)
    log.info("%d repetitions; %d live records, %d told as skipped; MiB: %s",
             repeated, sum(each.received for each in live), told, memory)  # fmt: skip
    assert all(each.is_in_order for each in [*registered, *live])
    assert all(each.missed <= each.told for each in live)
    assert max(memory) < MEBIBYTES


def test_two_processes_never_give_to_two_clients_of_one_consumer_and_the_other_takes_over(
    start: Start, mongo_uri: str, database: Database[Any]
) -> None:
    orders = new_outbox(database, sequence=False)
    first, second = (Gateway(start, mongo_uri, database.name) for _ in range(2))
    with httpx2.Client(base_url=f"http://127.0.0.1:{first.port}", timeout=30) as one, httpx2.Client(
        base_url=f"http://127.0.0.1:{second.port}", timeout=30
    ) as other:  # fmt: skip
        assert one.put("/v1/consumers/billing").status_code == 201
        orders.put([placed(total) for total in range(3)], standalone=True)
        with one.stream("GET", "/v1/consumers/billing/stream") as stream:
            lines = stream.iter_lines()
            assert [next(line for line in lines if line.startswith("id:")) for _ in range(3)] == [
                "id: 1",
                "id: 2",
                "id: 3",
            ]
            one.post("/v1/consumers/billing/ack", json={"seq": 1})
            refused = other.get("/v1/consumers/billing/records")
            assert (refused.status_code, refused.json()["error"]) == (409, "taken")
            wait_until(lambda: orders.consumer("anonymous.billing").position() == 1)
            first.process.kill()
            began = time.monotonic()
            taken = wait_until(lambda: (found := other.get("/v1/consumers/billing/records")).is_success and found)
            log.info("taken over after %.1f s", time.monotonic() - began)
    assert [each["seq"] for each in taken.json()["records"]] == [2, 3]
