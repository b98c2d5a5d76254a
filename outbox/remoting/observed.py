"""A subscription of a registered consumer: the gateway pushes the records, and is told what is acknowledged."""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import httpx2

from outbox.clock import SystemClock
from outbox.consumers.observed import Observer
from outbox.errors import OutboxError
from outbox.log.record import Record
from outbox.mongo.calls import outside_bound_session
from outbox.remoting.acknowledging import Acknowledged
from outbox.remoting.connection import Connection, Reach
from outbox.remoting.events import Processed, Received
from outbox.remoting.wire import Again, Wire
from outbox.threads.stop_watch import watching

logger = logging.getLogger("outbox")

STALLED_SECONDS = 5.0
"""So long nothing may be acknowledged once a gateway has given all that it holds; then it is asked again."""
ACK_SECONDS = 0.05
"""Acknowledgements are told this often, at most."""


class Observed:
    """Gives an observer the records of a registered consumer, each once, in order, through lost connections."""

    def __init__(
        self, connection: Connection, wire: Wire, name: str, reach: Reach, is_wanted: Callable[[str | None], bool]
    ) -> None:
        """is_wanted: says it of a record's key; what is not wanted counts as acknowledged."""
        self._connection = connection
        self._wire = wire
        self._name = name
        self._reach = reach
        self._is_wanted = is_wanted
        self.acknowledged = Acknowledged()

    def give(self, observer: Observer, stop: threading.Event) -> None:
        """Gives records until `stop` is set. Blocks. Raises what the observer raises, and what the gateway refuses."""
        telling = threading.Thread(
            target=outside_bound_session(self._tell), name=f"outbox-{self._name}-ack", daemon=True
        )
        telling.start()
        try:
            while not stop.is_set():
                try:
                    self._stream(observer, stop)
                except Again as again:
                    if not stop.is_set():
                        stop.wait(self._reach.failed(again))
        finally:
            self.acknowledged.end()
            telling.join()

    def _stream(self, observer: Observer, stop: threading.Event) -> None:
        place = self.acknowledged.place
        with self._connection.streamed(self._wire.streaming(self._name, place)) as response:
            self._reach.answered()
            with watching(stop.is_set, partial(_cut, response)):
                for record in self._wire.streamed(response.iter_lines()):
                    if stop.is_set():
                        return
                    self._given(observer, record)
        # It ends like this when the gateway has given all that it holds: then somebody has to acknowledge first.
        until = time.monotonic() + STALLED_SECONDS
        while self.acknowledged.place == place and time.monotonic() < until and not stop.wait(ACK_SECONDS):
            pass

    def _given(self, observer: Observer, record: Record[Any]) -> None:
        if not self.acknowledged.gives(record.seq):
            return  # it came again with a new stream
        self._reach.tell(Received(1))
        if self._is_wanted(record.key):
            observer.on_next(record)
        else:
            self.acknowledged.ack(record.seq)

    def _tell(self) -> None:
        """Tells the gateway what is acknowledged. What it cannot be told now, the next stream tells it."""
        told, clock = 0, SystemClock()
        while not self.acknowledged.is_over:
            self.acknowledged.moved.wait()
            self.acknowledged.moved.clear()
            place, count = self.acknowledged.place, self.acknowledged.count
            if place is None or count == told:
                continue
            try:
                self._connection.once(self._wire.acknowledging(self._name, place))
            except Again as again:
                self.acknowledged.moved.set()
                clock.wait(max(again.seconds, ACK_SECONDS))
            except OutboxError as error:
                logger.info("the consumer %r could not acknowledge: %s", self._name, error)  # so its stream fails, too
                return
            else:
                self._reach.tell(Processed(count - told))
                told = count
                clock.wait(ACK_SECONDS)


def _cut(response: httpx2.Response) -> None:
    """Ends a stream that another thread reads."""
    found = response.extensions["network_stream"].get_extra_info("socket")
    with contextlib.suppress(OSError):  # it has ended
        socket.socket.shutdown(found, socket.SHUT_RDWR)  # a TLS socket's own takes away what its reader reads by
