"""A registered consumer of a gateway: handles messages in this process, whose position the gateway keeps."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from reactivex import Observable

from outbox.arguments import check_function
from outbox.consumers.observed import Observer
from outbox.consumers.one_run import OneRun
from outbox.errors import InvalidConsumer, InvalidName
from outbox.log.record import Record
from outbox.readers.query import Query
from outbox.remoting.connection import Connection, Reach, pause
from outbox.remoting.events import OnRemoteEvent, Processed
from outbox.remoting.observed import Observed
from outbox.remoting.observing import observable
from outbox.remoting.wire import Ask, RemoteRefused, Wire

logger = logging.getLogger("outbox")

M = TypeVar("M")

WAIT_SECONDS = 2.0
"""So long a poll waits at the gateway, and a `stop` for it."""
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")


def checked_name(name: object) -> str:
    """Returns the name of a consumer. Raises InvalidName."""
    if not isinstance(name, str) or not _NAME.fullmatch(name) or name == "live":
        raise InvalidName(
            f"{name!r:.100} is no consumer's name: 1 to 64 of A-Z, a-z, 0-9, '_', '.' and '-'; not 'live'"
        )
    return name


class RemoteConsumer(Generic[M]):
    """Handles the messages of an outbox that is reached through its gateway, at least once and in order.

    Cold until it is run. What is not acknowledged comes again: after a crash, or when another process goes on. Of all
    processes that run it one works at a time, and the others wait. Thread-safe; one `run` at a time.
    """

    def __init__(
        self,
        connection: Connection,
        wire: Wire,
        name: str,
        query: Query,
        on_event: OnRemoteEvent | None,
    ) -> None:
        self.name = checked_name(name)
        self.id = f"the consumer {name!r}"
        """What it is called, for people."""
        self._connection = connection
        self._wire = wire
        self._query = query
        self._on_event = on_event
        self._runs = OneRun(self.id, InvalidConsumer)
        self._observed: Observed | None = None

    def run(self, handle: Callable[[Record[M]], object], *, stop: threading.Event | None = None) -> None:
        """Calls `handle` with each record, on this thread; the record is acknowledged when it returns. Blocks.

        It registers the consumer, and goes on until `stop` is set or `self.stop()` is called, which takes up to 2 s. A
        handler that raises is called again, after 0.1 s and then up to 3 s, by doubling, for ever: nothing is passed
        over. Lost connections, and other processes that work for the consumer, are waited for.

        Raises RemoteRefused, HistoryLost, LogReplaced, InvalidConsumer and OutboxClosed.
        """
        check_function("handle", handle, "a record", InvalidConsumer)
        self._connection.check_open()
        reach = Reach(self._on_event)
        with self._runs.begin(stop) as stopping:
            if not self._registered(reach, stopping):
                return
            after: int | None = None
            try:
                while not stopping.is_set():
                    after = self._turn(handle, after, reach, stopping)
            finally:
                if after is not None:
                    self._connection.last(self._wire.acknowledging(self.name, after), reach)

    def _registered(self, reach: Reach, stop: threading.Event) -> bool:
        asked = self._wire.registering(self.name, self._query.start, self._query.types)
        return self._connection.lasting(asked, reach, stop) is not None

    def observe(self) -> Observable[Record[M]]:
        """Gives each record to the subscriber; it counts as handled when it is given to `ack`. Cold.

        A subscription has a thread, which calls `on_next` serially, and one that tells what is acknowledged. It is
        given no more while 1,000 records, or 8 MiB of them, are not acknowledged. What `on_next` raises goes to
        `on_error`, as does what `run` raises. It completes at `stop()`.
        """
        return observable(lambda: self.deliver_to_observer, self.name)

    def deliver_to_observer(self, observer: Observer, stop: threading.Event, marks: bool = False) -> None:
        """Gives each record to the observer until `stop` is set. Blocks. Raises as `run`. marks: is for others."""
        self._connection.check_open()
        reach, key = Reach(self._on_event), self._query.key
        with self._runs.begin(stop) as stopping:
            if not self._registered(reach, stopping):
                return
            observed = self._observed = Observed(
                self._connection, self._wire, self.name, reach, lambda of: key is None or of == key
            )
            try:
                observed.give(observer, stopping)
            finally:
                if (place := observed.acknowledged.place) is not None:
                    self._connection.last(self._wire.acknowledging(self.name, place), reach)

    def ack(self, record: Record[Any]) -> None:
        """Counts a record that the Observable has given as handled. Thread-safe; in any order. Asks nobody.

        The position moves up to the first record that is not acknowledged, within a moment. An ack of a record that
        comes after the subscription has ended has no effect: the record is given again. Raises InvalidConsumer for what
        is no record.
        """
        untyped: object = record
        if not isinstance(untyped, Record):
            raise InvalidConsumer(f"ack({untyped!r:.100}): give a record that observe() has given")
        if self._observed is not None:
            self._observed.acknowledged.ack(record.seq)

    def _turn(
        self, handle: Callable[[Record[M]], object], after: int | None, reach: Reach, stop: threading.Event
    ) -> int | None:
        """Polls, which acknowledges, and handles what comes; returns what is to be acknowledged next."""
        path = f"/v1/consumers/{self.name}/records"
        response = self._connection.lasting(self._wire.polling(path, after, WAIT_SECONDS), reach, stop)
        if response is None:
            return after
        answer = self._wire.answer(response)
        reach.came(answer)
        for record in answer.records:
            if self._query.wants(record) and not self._handled(handle, record, stop):
                return after
            after = record.seq
            reach.tell(Processed(1))
        return answer.next

    @staticmethod
    def _handled(handle: Callable[[Record[M]], object], record: Record[M], stop: threading.Event) -> bool:
        failures = 0
        while not stop.is_set():
            try:
                handle(record)
            except Exception:
                failures += 1
                logger.exception("the handler failed at seq %d, and is called again", record.seq)
                stop.wait(pause(failures, 0.0))
            else:
                return True
        return False

    def stop(self) -> None:
        """Ends what runs. Does not wait; does nothing when nothing runs."""
        self._runs.stop()

    @property
    def is_running(self) -> bool:
        """Tells whether it runs in this process."""
        return self._runs.is_running

    def position(self) -> int | None:
        """Returns the seq up to which all is acknowledged; None before the first run.

        Also None for a token that does not see every record. Raises RemoteRefused and RemoteUnavailable.
        """
        try:
            found = self._connection.call(Ask("GET", f"/v1/consumers/{self.name}")).json()["position"]
        except RemoteRefused as refused:
            if refused.status == 404:
                return None
            raise
        return found if isinstance(found, int) else None

    def forget(self) -> bool:
        """Removes the position, so that it holds the log no more; False when there was none. Raises as `position`."""
        try:
            self._connection.call(Ask("DELETE", f"/v1/consumers/{self.name}"))
        except RemoteRefused as refused:
            if refused.status == 404:
                return False
            raise
        return True
