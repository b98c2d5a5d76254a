"""A shop at work in this process: a writer, a relay and a subscriber, while a test does something to its server."""

from __future__ import annotations

import threading
from types import TracebackType
from typing import Any, Self

from bson import ObjectId
from pymongo import MongoClient
from pymongo.errors import PyMongoError

from relay import Relay
from relay.testing import MemorySink
from tests.actors.order_service import new_outbox, placed
from tests.actors.relay_thread import Relaying, seqs
from tests.actors.subscriber import Subscriber
from tests.waiting import wait_until

SECONDS = 90.0


class Shop:
    """Writes, relays and observes inside the `with`; at its end all must have arrived, once and in order.

    size: how much each message takes about.
    """

    def __init__(self, uri: str, *, size: int = 0) -> None:
        self.client = MongoClient[dict[str, Any]](uri, serverSelectionTimeoutMS=2000)
        self.orders = new_outbox(self.client.shop)
        self.acknowledged: list[ObjectId] = []
        self.refused = 0
        """How often a put failed; what it put may be there all the same."""
        self._note = "x" * size
        self._sink = MemorySink()
        self._subscriber = Subscriber()
        self._relaying = Relaying(Relay(self.orders, self._sink, lease_seconds=3))
        self._stop = threading.Event()
        self._writer = threading.Thread(target=self._write)

    def _write(self) -> None:
        while not self._stop.wait(0.005):
            number = len(self.acknowledged) + self.refused
            try:
                message = placed(number, order_id=str(number % 7), note=self._note)
                self.acknowledged.append(self.orders.put(message, standalone=True))
            except PyMongoError:
                self.refused += 1

    def goes_on(self, messages: int = 50) -> None:
        """Until so many more are acknowledged, and as many more have been delivered and seen."""
        for name, count in (
            ("acknowledged", lambda: len(self.acknowledged)),
            ("delivered", lambda: len(self._sink.records)),
            ("seen", lambda: len(self._subscriber.records)),
        ):
            enough = count() + messages
            wait_until(lambda count=count, enough=enough: count() >= enough, SECONDS, f"{messages} more to be {name}")

    def __enter__(self) -> Self:
        self.orders.observe("earliest").subscribe(self._subscriber)
        self._relaying.__enter__()
        self._writer.start()
        self.goes_on()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._writer.join()
        try:
            if error is None:
                self._check()
        finally:
            self._relaying.__exit__(kind, error, trace)
            self.orders.close()
            self.client.close()

    def _check(self) -> None:
        wait_until(lambda: self.orders.status().staging == 0, SECONDS, "staging to be empty")
        log = [(record.seq, record.id) for record in self.orders.read(1)]
        wait_until(lambda: len(set(seqs(self._sink))) == len(log), SECONDS, "all to be delivered")
        wait_until(lambda: len(self._subscriber.records) == len(log), SECONDS, "all to be seen")

        assert self._subscriber.errors == []
        assert self._relaying.error is None
        assert [seq for seq, _ in log] == list(range(1, len(log) + 1))
        assert len({id for _, id in log}) == len(log)
        assert set(self.acknowledged) <= {id for _, id in log}
        assert list(dict.fromkeys(seqs(self._sink))) == [seq for seq, _ in log]
        assert [(each.seq, each.id) for each in self._subscriber.records] == log
