"""Runs a relay on a thread of the test, and reads what it has done."""

from __future__ import annotations

import threading
from types import TracebackType
from typing import Any, Self

import pytest
from bson import Int64

from outbox import Outbox
from outbox.delivery.durable_reader import DurableReader
from outbox.readers.start import StartAt
from relay import Relay
from relay.testing import MemorySink
from tests.actors.order_service import placed
from tests.waiting import wait_until

SHARES = pytest.mark.parametrize("shares", [1, 3])
"""A relay that is one, and one of several shares."""


class Relaying:
    """Runs a relay inside the `with`, and stops it at the end. `error` is what it raised; None while all is well."""

    def __init__(self, relay: Relay, *, once: bool = False, waits: bool = False) -> None:
        self.error: BaseException | None = None
        self._relay = relay
        self._once = once
        self._waits = waits
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="relay-under-test", daemon=True)

    def _run(self) -> None:
        try:
            self._relay.run(self._stop, once=self._once, waits=self._waits)
        except BaseException as error:  # noqa: BLE001  # looked at by the test
            self.error = error

    @property
    def ended(self) -> bool:
        return not self._thread.is_alive()

    @property
    def knows_of_a_cursor(self) -> bool:
        """Whether the relay has read its cursor, or made it."""
        return self._relay._config.has_begun.is_set()

    def stop(self) -> None:
        """Stops the relay and waits for its end, draining included."""
        self._stop.set()
        self._thread.join(60)
        assert self.ended, "the relay did not stop"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        if error is None and self.error is not None:
            raise self.error


def given_cursor(orders: Outbox, seq: int, **fields: Any) -> None:
    """Makes the cursor of the relay `kafka`, as an earlier process has left it."""
    cursor = {"seq": Int64(seq), "created": None, "id": None, "fence": Int64(0), **fields}
    orders.collections.cursors.replace_one({"_id": "relay:kafka"}, cursor, upsert=True)


def run_once(relay: Relay | DurableReader[Any]) -> None:
    """Delivers all that is committed; raises what the reader raises."""
    relay.run(threading.Event(), once=True)


def numbered(orders: Outbox, count: int, **fields: Any) -> None:
    """Puts `count` messages into the log; while no relay is at work, for it sequences itself."""
    wanted = orders.log.head() + count
    orders.put([placed(total, **fields) for total in range(count)], standalone=True)

    def done() -> bool:
        orders.sequence()  # 0 as long as the sequencer of a relay that has just ended still has the lease
        return orders.log.head() >= wanted and orders.collections.staging.find_one() is None

    wait_until(done, 30, "the messages to be numbered")


def seqs(sink: MemorySink) -> list[int]:
    """What arrived, in order of arrival."""
    return [record.seq for record in sink.records]


def cursor_of(orders: Outbox) -> dict[str, Any] | None:
    """The saved cursor of the relay `kafka`."""
    return orders.collections.cursors.find_one({"_id": "relay:kafka"})


def saved_seq(orders: Outbox) -> int | None:
    """Where the relay `kafka` is; None before it has a cursor."""
    cursor = cursor_of(orders)
    return None if cursor is None else cursor["seq"]


def started(orders: Outbox, start: StartAt) -> list[int]:
    """The seqs that a new relay delivers that is told to start there."""
    sink = MemorySink()
    run_once(Relay(orders, sink, start=start))
    return seqs(sink)
