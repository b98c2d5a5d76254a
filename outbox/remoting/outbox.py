"""An outbox that is reached through its gateway: put, read and consume without MongoDB."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from types import TracebackType
from typing import Any, TypeVar, overload

from bson import ObjectId
from reactivex import Observable

from outbox.consumers.observed import Observer
from outbox.errors import InvalidMessage, InvalidStart
from outbox.log.record import Record
from outbox.readers.start import Start, check
from outbox.remoting.connection import FIRST_SECONDS, Connection, Reach
from outbox.remoting.consumer import WAIT_SECONDS, RemoteConsumer
from outbox.remoting.events import OnRemoteEvent
from outbox.remoting.observing import observable
from outbox.remoting.wire import Wire
from outbox.staging.put import Message

M = TypeVar("M")

_LIVE = "/v1/live/records"


class RemoteOutbox:
    """The outbox behind a gateway; made by `outbox.remote`. Thread-safe.

    messages: the message classes that may be put, and are decoded; data of other types is as JSON has it.
    """

    def __init__(self, url: str, *, token: str | None = None, messages: Sequence[type[Any]] = ()) -> None:
        self._wire = Wire(messages)
        self._connection = Connection(url, token)

    def put(self, message: Message, *, headers: Mapping[str, str] | None = None) -> ObjectId:
        """Puts a message, once however often it must be tried, and returns its id. It belongs to no transaction.

        It is tried for 30 s. Raises UnknownMessage, InvalidMessage, MessageTooLarge, RemoteRefused, and
        RemoteUnavailable: then it may have been put.
        """
        if isinstance(message, Sequence):
            raise InvalidMessage("put one message after the other: a gateway puts them in no common transaction")
        return ObjectId(self._connection.call(self._wire.posting(message, headers)).json()["id"])

    def read(
        self,
        start: Start = "earliest",
        *,
        types: Sequence[str | type[Any]] | None = None,
        on_event: OnRemoteEvent | None = None,
    ) -> Iterator[Record[Any]]:
        """Gives the records from `start` to the head, then ends. Nothing is stored of it.

        start: "earliest", "latest" or a seq. What the log has rolled over is skipped, and told as Overflow.

        Raises InvalidStart and InvalidSelector, and while iterating RemoteRefused and RemoteUnavailable.
        """
        portions = self.portions(start, types, on_event)
        return (record for portion in portions for record in portion)

    def portions(
        self, start: Start, types: Sequence[str | type[Any]] | None, on_event: OnRemoteEvent | None
    ) -> Iterator[list[Record[Any]]]:
        """Gives what `read` gives, an answer at a time."""
        return self._portions(_before(start), self._wire.names(types), Reach(on_event))

    def _portions(self, after: int | None, types: list[str] | None, reach: Reach) -> Iterator[list[Record[Any]]]:
        head: int | None = None
        while head is None or (after is not None and after < head):
            answer = self._wire.answer(self._connection.call(self._wire.polling(_LIVE, after, 0, types)))
            reach.answered()
            reach.came(answer)
            head = answer.head if head is None else head
            yield answer.records
            if answer.next is None or answer.next == after or head is None:
                return
            after = answer.next

    def observe(
        self,
        start: Start = "latest",
        *,
        types: Sequence[str | type[Any]] | None = None,
        on_event: OnRemoteEvent | None = None,
    ) -> Observable[Record[Any]]:
        """Gives what comes, as a cold Observable that goes on until it is disposed of; through lost connections.

        start: "latest", or as for `read`. Nothing is stored of it: what the log has rolled over meanwhile is skipped,
        and told as Overflow. Each subscription has a daemon thread, which calls `on_next` serially. Errors go to
        `on_error`. Raises as `read`.
        """
        after, names = _before(start), self._wire.names(types)

        def deliver(observer: Observer, stop: threading.Event) -> None:
            for portion in self._coming(after, names, Reach(on_event), stop):
                for record in portion:
                    if stop.is_set():
                        return
                    observer.on_next(record)

        return observable(deliver, "remote")

    def coming(
        self, start: Start, types: Sequence[str | type[Any]] | None, on_event: OnRemoteEvent | None
    ) -> Iterator[list[Record[Any]]]:
        """Gives what `observe` gives, an answer at a time; without end."""
        return self._coming(_before(start), self._wire.names(types), Reach(on_event), threading.Event())

    def _coming(
        self, after: int | None, types: list[str] | None, reach: Reach, stop: threading.Event
    ) -> Iterator[list[Record[Any]]]:
        while True:
            asked = self._wire.polling(_LIVE, after, 0 if after is None else WAIT_SECONDS, types)
            response = self._connection.lasting(asked, reach, stop)
            if response is None:
                return
            answer = self._wire.answer(response)
            reach.came(answer)
            yield answer.records
            if answer.next is None:  # of who does not see every record, and has seen none: it may miss some meanwhile
                stop.wait(FIRST_SECONDS)
            else:
                after = answer.next

    @overload
    def consumer(
        self, name: str, *, types: Sequence[type[M]], start: Start = "earliest", on_event: OnRemoteEvent | None = None
    ) -> RemoteConsumer[M]: ...
    @overload
    def consumer(
        self,
        name: str,
        *,
        types: Sequence[str | type[Any]] | None = None,
        start: Start = "earliest",
        on_event: OnRemoteEvent | None = None,
    ) -> RemoteConsumer[Any]: ...
    def consumer(
        self,
        name: str,
        *,
        types: Sequence[str | type[Any]] | None = None,
        start: Start = "earliest",
        on_event: OnRemoteEvent | None = None,
    ) -> RemoteConsumer[Any]:
        """Makes a consumer, whose position the gateway keeps under its name and the token's. Asks nobody.

        types, start: as for Outbox.consumer. Raises InvalidName, InvalidStart, InvalidSelector and UnknownMessage.
        """
        return RemoteConsumer(self._connection, self._wire, name, self._wire.names(types), start, on_event)

    def close(self) -> None:
        """Closes its connections; what runs ends with OutboxClosed. Idempotent."""
        self._connection.close()

    def __enter__(self) -> RemoteOutbox:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _before(start: Start) -> int | None:
    """Returns the seq before the first one that is wanted; None for what comes."""
    check(start)
    if isinstance(start, datetime):
        raise InvalidStart("a gateway reads from a seq: give one, 'earliest' or 'latest'; a consumer takes a date")
    if start == "earliest":
        return 0
    return None if start == "latest" else int(start) - 1
