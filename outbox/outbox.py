"""The outbox: put messages in a transaction, observe them, read them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any, overload

from bson import ObjectId
from pymongo.client_session import ClientSession
from pymongo.database import Database
from reactivex import Observable

from outbox import creation, location, reader_status
from outbox.errors import OutboxClosed
from outbox.events import OnEvent
from outbox.location import Location
from outbox.log.log import Log
from outbox.log.record import Record
from outbox.messages.message_types import Key, MessageTypes
from outbox.mongo.calls import outside_bound_session
from outbox.mongo.collections import Collections
from outbox.mongo.server_errors import patient
from outbox.monitoring.no_sequencer_warning import NoSequencerWarning
from outbox.monitoring.status import Status, status
from outbox.reader_status import ReaderStatus
from outbox.readers.background import BackgroundThreads
from outbox.readers.head import Head
from outbox.readers.observable import Subscriptions
from outbox.readers.query import OnGap, Where, asked
from outbox.readers.reader import LogReader
from outbox.readers.start import Start, resolve
from outbox.sequencer.change_stream import AWAIT_SECONDS
from outbox.sequencer.once import sequence_once
from outbox.staging.creation import Declared
from outbox.staging.put import Message, Putter, as_sequence
from outbox.staging.validator import schemas_of

_STOP_SECONDS = 2.0


class Outbox:
    """The outbox `name` of a service, in the service's own database.

    One instance a process, made after any fork. Thread-safe, but for the sessions given to it, which are not. It never
    closes the client whose database it was given, and ignores that client's read preference and concerns for its own
    collections.

    messages: the message classes that may be put and are decoded when read; types not among them are read as data.
    capacity: the log's cap, in bytes or as text such as "256 MiB" (the default when it is first made); at least four
        times the largest message. None leaves a log as it is.
    max_message_bytes: the most a staged document may take, its envelope included; on Kafka, as JSON, a message may take
        48,588 bytes more, or Kafka's default of 1,048,588 if that is more.
    sequence: False makes a process that only reads and puts, and never numbers messages for others.

    Raises InvalidDatabase, InvalidName and InvalidMessageClass."""

    def __init__(
        self,
        database: Database[Any],
        name: str = "outbox",
        *,
        messages: Sequence[type[Any]] = (),
        capacity: int | str | None = None,
        max_message_bytes: int = 1_000_000,
        sequence: bool = True,
    ) -> None:
        self.collections = Collections(database, name)
        self.log = Log(self.collections)
        self._types = MessageTypes(messages)
        self._capacity = capacity
        self._max_message_bytes = max_message_bytes
        self._putter = Putter(self.collections, self._types, max_message_bytes)
        self._unattended = NoSequencerWarning(self.collections)
        self._feed = BackgroundThreads(self.collections, sequencing=sequence)
        self._subscriptions = Subscriptions(self.collections, self._feed, self._types.decode, self._usable)
        self._pid = os.getpid()
        self._closed = False

    @property
    def name(self) -> str:
        return self.collections.name

    @outside_bound_session
    @patient
    def create(self) -> None:
        """Makes the collections, or adds to them what these message classes and this capacity ask for. Idempotent.

        Run it once at deployment; services old and new may be putting meanwhile. It never removes a message type, and
        takes up to a minute when transactions that stay open are in its way. Raises IncompatibleOutbox,
        UnsupportedServer, and pymongo's errors.
        """
        self._usable()
        creation.create(self.collections, Declared(self._types, self._max_message_bytes), self._capacity)
        self._putter.forget()

    @overload
    def put(
        self,
        message: Message,
        *,
        session: ClientSession | None = None,
        headers: Mapping[str, str] | None = None,
        standalone: bool = False,
    ) -> ObjectId: ...
    @overload
    def put(
        self,
        message: Sequence[Message],
        *,
        session: ClientSession | None = None,
        headers: Mapping[str, str] | None = None,
        standalone: bool = False,
    ) -> list[ObjectId]: ...
    def put(
        self,
        message: Message | Sequence[Message],
        *,
        session: ClientSession | None = None,
        headers: Mapping[str, str] | None = None,
        standalone: bool = False,
    ) -> ObjectId | list[ObjectId]:
        """Puts one message, or a sequence of them in order; returns the message id, or a list of ids.

        They commit and abort with the transaction of the session, given or bound (`session.bind()`; that always wins).

        standalone: True for messages that belong to no other write, and only outside a transaction: one message is one
            insert within 5 s, a sequence a transaction within 30 s, or what `timeoutMS` or `pymongo.timeout` says. A
            session that has no transaction may be given, and makes no difference.

        Raises, before anything is written: TransactionRequired, UnknownMessage, InvalidMessage, InvalidHeaders,
        MessageTooLarge, OutboxNotCreated. Pymongo's errors pass through, so that `with_transaction` can retry.
        """
        self._usable()
        ids = self._putter.put(as_sequence(message), session, headers, standalone=standalone)
        self._unattended.check()
        return ids if isinstance(message, Sequence) else ids[0]

    def observe(
        self,
        start: Start = "latest",
        *,
        types: Sequence[str | type[Any]] | None = None,
        key: Key | None = None,
        where: Where | None = None,
        on_gap: OnGap = "error",
        on_event: OnEvent | None = None,
    ) -> Observable[Record[Any]]:
        """The records from `start` on, as a cold Observable that goes on until it is disposed of or this is closed.

        start: "latest", "earliest", a seq (inclusive) or a datetime (the first record created then or later; naive
            means UTC), resolved at each subscription.
        types: message classes or type names; None for all. A name that no service has declared is warned of.
        key: one key only, or the value that it is the text of: an int, ObjectId or UUID.
        where: a predicate; what it refuses is passed over. What it raises goes to `on_error`, and names the record.
        on_gap: "error", or a function that is told of HistoryLost before reading goes on at the oldest record.
        on_event: is told what each subscription does (`outbox.events`), on its thread; Stopped comes once, last.

        Each subscription has a daemon thread that calls `on_next` serially and reads no further while it runs. What
        `on_next` raises goes to `on_error` (also SystemExit: the program goes on), as do HistoryLost, LogReplaced,
        OutboxNotCreated, and errors of the server that do not pass by themselves. With "latest", what is put after
        `subscribe` returned is delivered; it asks the server, for 5 s, or else when that answers. Raises InvalidStart,
        InvalidSelector, InvalidArgument and UnknownMessage.
        """
        self._usable()
        return self._subscriptions.observable(asked(self._types, start, types, key, on_gap, where, on_event))

    def read(
        self,
        start: Start = "earliest",
        *,
        types: Sequence[str | type[Any]] | None = None,
        key: Key | None = None,
        where: Where | None = None,
        on_gap: OnGap = "error",
    ) -> Iterator[Record[Any]]:
        """The records from `start` to the head, then ends. Never sequences. Takes what `observe` takes.

        Raises what `observe` does, and while iterating HistoryLost, LogReplaced, OutboxNotCreated, pymongo's errors,
        and what `where` raises.
        """
        self._usable()
        return self._subscriptions.read(asked(self._types, start, types, key, on_gap, where))

    @outside_bound_session
    def reader(self, start: Start = "earliest") -> LogReader:
        """A reader from `start` on, woken by this process's tail while `running()`. For relays and consumers that keep
        their own position. Raises InvalidStart, HistoryLost, OutboxNotCreated and pymongo's errors."""
        self._usable()
        return LogReader(self.collections, resolve(start, self.log), head=self._feed.head, decode=self._types.decode)

    def running(self, await_seconds: float = AWAIT_SECONDS) -> AbstractContextManager[Head]:
        """Keeps this process's tail and its turn at sequencing alive inside the `with`, as a subscription does.

        await_seconds: how long the server waits for a change before it answers. The longer, the fewer are asked while
        nothing happens; a thread that asked may live on as long after the `with`.
        """
        self._usable()
        return self._feed.running(await_seconds)

    @outside_bound_session
    def sequence(self) -> int:
        """One sweep by hand, for tests and jobs: numbers what staging holds and returns how many messages that were.

        Returns 0 when another process works, which takes 3.5 s to see; one killed elsewhere is waited for, 10 s.
        Raises pymongo's errors, LeaseLost and OutboxNotCreated.
        """
        self._usable()
        return sequence_once(self.collections)

    @outside_bound_session
    @patient
    def status(self) -> Status:
        """Where the log, the readers and the sequencer are. Raises OutboxNotCreated and pymongo's errors."""
        self._usable()
        return status(self.collections)

    @outside_bound_session
    @patient
    def readers(self) -> list[ReaderStatus]:
        """Tells how far each durable reader is that has begun, and who works for it. Raises as `status`."""
        self._usable()
        return reader_status.readers(self.collections)

    @outside_bound_session
    @patient
    def find(self, message_id: ObjectId | str) -> Location:
        """Tells where a message is now, and which durable readers have passed it.

        message_id: what `put` returned, or its 24 hex digits as on Kafka. A message that the log does not hold makes
        the server read the whole log. Raises InvalidSelector, OutboxNotCreated and pymongo's errors.
        """
        self._usable()
        return location.find(self.collections, self.log, location.message_id(message_id))

    @outside_bound_session
    def wait_for(self, message_id: ObjectId | str, reader: str, timeout: float = 5.0) -> None:
        """Returns when a durable reader, such as `relay:kafka`, has passed a message.

        For reading what one has written, once it is committed: within its transaction nobody sees it.

        timeout: seconds. Raises WaitTimeout, which says where the message is instead, InvalidSelector,
        OutboxNotCreated, and errors of the server that do not pass by themselves.
        """
        self._usable()
        location.wait_for(self.collections, self.log, location.message_id(message_id), reader, timeout)

    @outside_bound_session
    @patient
    def types(self) -> tuple[str, ...]:
        """The message types that staging's validator accepts, from whichever service declared them."""
        self._usable()
        options = self.collections.options(self.collections.staging.name) or {}
        return tuple(schemas_of(options.get("validator", {})))

    def json_schemas(self) -> dict[str, dict[str, Any]]:
        """By type name, the JSON Schema (2020-12) of the value on Kafka of each message class. Asks no server."""
        return self._types.json_schemas()

    @outside_bound_session
    def drop(self) -> None:
        """Drops the collections with every message in them; readers get LogReplaced. The leases stay, so that a
        sequencer of the dropped log stays fenced out of one made anew.

        Raises IncompatibleOutbox while another process sequences: appending to a missing log would make a plain
        collection. Stop that process first. One killed on another host is waited for, 10 s.
        """
        self._usable()
        self._subscriptions.complete(_STOP_SECONDS)
        self._feed.join(_STOP_SECONDS)
        self._putter.forget()
        creation.drop(self.collections)

    def close(self) -> None:
        """Completes all subscriptions and stops the background threads; the client stays open. Idempotent."""
        if self._closed or self._pid != os.getpid():
            return
        self._closed = True
        self._subscriptions.complete(_STOP_SECONDS)
        self._feed.join(_STOP_SECONDS)

    def __enter__(self) -> Outbox:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _usable(self) -> None:
        if self._pid != os.getpid():
            raise OutboxClosed(
                "this Outbox was made before the process forked; threads and sessions do not survive a fork. Make a "
                "client and an Outbox in each process"
            )
        if self._closed:
            raise OutboxClosed("this Outbox was closed; make a new one")
