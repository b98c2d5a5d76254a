"""An outbox that is reached through its gateway: put, read and consume without MongoDB."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from types import TracebackType
from typing import Any, Literal, TypeVar, overload

from bson import ObjectId
from reactivex import Observable

from outbox.consumers.observed import Observer
from outbox.errors import InvalidMessage, InvalidStart, OutboxError
from outbox.log.record import Record
from outbox.messages.message_types import Key
from outbox.readers.query import Query, Where
from outbox.readers.start import Start
from outbox.remoting.connection import FIRST_SECONDS, Connection, Reach
from outbox.remoting.consumer import WAIT_SECONDS, RemoteConsumer
from outbox.remoting.events import OnRemoteEvent
from outbox.remoting.observing import Deliver, observable
from outbox.remoting.wire import Again, Answer, RemoteRefused, Types, Wire
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

    def put(
        self, message: Message, *, headers: Mapping[str, str] | None = None, standalone: Literal[True] = True
    ) -> ObjectId:
        """Puts a message, once however often it must be tried, and returns its id.

        standalone: as for Outbox.put; it belongs to no transaction in any case. It is tried for 30 s. Raises
        UnknownMessage, InvalidMessage, MessageTooLarge, RemoteRefused, OutboxClosed, and RemoteUnavailable: then it may
        have been put.
        """
        if isinstance(message, Sequence):
            raise InvalidMessage("put one message after the other: a gateway puts them in no common transaction")
        self._connection.check_open()
        return ObjectId(self._connection.call(self._wire.posting(message, headers)).json()["id"])

    def read(
        self,
        start: Start = "earliest",
        *,
        types: Types = None,
        key: Key | None = None,
        where: Where | None = None,
        on_event: OnRemoteEvent | None = None,
    ) -> Iterator[Record[Any]]:
        """Gives the records from `start` to the head, then ends. Nothing is stored of it.

        start: "earliest", "latest" or a seq. What the log has rolled over is skipped, and told as Overflow. key, where:
        as for Outbox.read; what they leave out is sent all the same.

        Raises InvalidStart, InvalidSelector, UnknownMessage, OutboxClosed, and while iterating RemoteRefused and
        RemoteUnavailable.
        """
        portions = self.portions(self.asked(start, types, key, where), on_event)
        return (record for portion in portions for record in portion)

    def asked(self, start: Start, types: Types, key: Key | None, where: Where | None) -> Query:
        """Checks what is asked for. Raises as `read`."""
        self._connection.check_open()
        if isinstance(start, datetime):
            raise InvalidStart("a gateway reads from a seq: give one, 'earliest' or 'latest'; a consumer takes a date")
        return self._wire.asked(start, types, key, where)

    def portions(self, query: Query, on_event: OnRemoteEvent | None) -> Iterator[list[Record[Any]]]:
        """Gives what `read` gives, an answer at a time."""
        after, head, reach = _before(query.start), None, Reach(on_event)
        while head is None or (after is not None and after < head):
            answer = self._first_or_next(query, after, reach)
            reach.came(answer)
            head = answer.head if head is None else head
            yield [record for record in answer.records if query.wants(record)]
            if answer.next is None or answer.next == after or head is None:
                return
            after = answer.next

    def _first_or_next(self, query: Query, after: int | None, reach: Reach) -> Answer:
        try:
            answer = self._wire.answer(self._connection.call(self._wire.polling(_LIVE, after, 0, query.types)))
        except RemoteRefused as refused:
            if refused.code == "bad_request":  # all else was looked at before
                raise InvalidStart(f"start={query.start} is beyond the log: {refused}") from refused
            raise
        reach.answered()
        return answer

    def observe(
        self,
        start: Start = "latest",
        *,
        types: Types = None,
        key: Key | None = None,
        where: Where | None = None,
        on_event: OnRemoteEvent | None = None,
    ) -> Observable[Record[Any]]:
        """Gives what comes, as a cold Observable that goes on until it is disposed of; through lost connections.

        start: "latest", for what is put from the subscription on, or as for `read`. Nothing is stored of it: what the
        log has rolled over meanwhile is skipped, and told as Overflow. Each subscription has a daemon thread, which
        calls `on_next` serially. Errors go to `on_error`. Raises as `read`.
        """
        query = self.asked(start, types, key, where)

        def begin() -> Deliver:
            after = self.place(query)

            def deliver(observer: Observer, stop: threading.Event) -> None:
                for portion in self.coming(query, after, on_event, stop):
                    for record in portion:
                        if stop.is_set():
                            return
                        observer.on_next(record)

            return deliver

        return observable(begin, "remote")

    def place(self, query: Query) -> int | None:
        """Returns the seq before the first one that is wanted; of what comes it asks the gateway, once.

        None when that cannot say it: then it is where the gateway is when it answers next.
        """
        after = _before(query.start)
        with contextlib.suppress(Again, OutboxError):  # whoever polls meets it again
            if after is None:
                asked = self._wire.polling(_LIVE, None, 0, query.types)
                return self._wire.answer(self._connection.once(asked)).next
        return after

    def coming(
        self, query: Query, after: int | None, on_event: OnRemoteEvent | None, stop: threading.Event
    ) -> Iterator[list[Record[Any]]]:
        """Gives what `observe` gives behind a place, an answer at a time, until `stop` is set."""
        reach = Reach(on_event)
        while True:
            asked = self._wire.polling(_LIVE, after, 0 if after is None else WAIT_SECONDS, query.types)
            response = self._connection.lasting(asked, reach, stop)
            if response is None:
                return
            answer = self._wire.answer(response)
            reach.came(answer)
            yield [record for record in answer.records if query.wants(record)]
            if answer.next is None:  # of who does not see every record, and has seen none: it may miss some meanwhile
                stop.wait(FIRST_SECONDS)
            else:
                after = answer.next

    @overload
    def consumer(
        self,
        name: str,
        *,
        types: Sequence[type[M]],
        key: Key | None = None,
        start: Start = "earliest",
        on_event: OnRemoteEvent | None = None,
    ) -> RemoteConsumer[M]: ...
    @overload
    def consumer(
        self,
        name: str,
        *,
        types: Types = None,
        key: Key | None = None,
        start: Start = "earliest",
        on_event: OnRemoteEvent | None = None,
    ) -> RemoteConsumer[Any]: ...
    def consumer(
        self,
        name: str,
        *,
        types: Types = None,
        key: Key | None = None,
        start: Start = "earliest",
        on_event: OnRemoteEvent | None = None,
    ) -> RemoteConsumer[Any]:
        """Makes a consumer, whose position the gateway keeps under its name and the token's. Asks nobody.

        types, key, start: as for Outbox.consumer; the records of other keys are sent all the same.

        Raises InvalidName, InvalidStart, InvalidSelector, UnknownMessage and OutboxClosed.
        """
        self._connection.check_open()
        return RemoteConsumer(self._connection, self._wire, name, self._wire.asked(start, types, key), on_event)

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
    if start == "earliest":
        return 0
    assert not isinstance(start, datetime)
    return None if start == "latest" else int(start) - 1
