"""The outbox: put messages in a transaction, observe them, read them."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Literal, overload

from bson import ObjectId
from pymongo.client_session import ClientSession
from pymongo.database import Database

from outbox import creation
from outbox.errors import OutboxClosed
from outbox.latest.changed import ChangedOnly
from outbox.messages.message_types import MessageTypes
from outbox.mongo.calls import outside_bound_session
from outbox.mongo.server_errors import patient
from outbox.monitoring.no_sequencer_warning import NoSequencerWarning
from outbox.monitoring.status import Status, status
from outbox.observing import STOP_SECONDS
from outbox.reading import Reading
from outbox.sequencer.once import sequence_once
from outbox.staging.creation import Declared
from outbox.staging.put import Message, Putter, as_sequence
from outbox.staging.validator import types_of
from outbox.tracing.tracing import putting


class Outbox(Reading):
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
        super().__init__(database, name, MessageTypes(messages), sequence=sequence)
        self._capacity = capacity
        self._max_message_bytes = max_message_bytes
        self._putter = Putter(self.collections, self._types, max_message_bytes)
        self.unattended = NoSequencerWarning(self.collections)
        self.collections.tally.put.declare(self._types.names)
        self._pid = os.getpid()
        self._closed = False

    @property
    def declared(self) -> Declared:
        """What its message classes ask of staging."""
        return Declared(self._types, self._max_message_bytes)

    @outside_bound_session
    @patient
    def create(self) -> None:
        """Makes the collections, or adds to them what these message classes and this capacity ask for. Idempotent.

        Run it once at deployment; services old and new may be putting meanwhile. It never removes a message type, and
        takes up to a minute when transactions that stay open are in its way. Raises IncompatibleOutbox,
        UnsupportedServer, and pymongo's errors.
        """
        self.check_usable()
        creation.create(self.collections, self.declared, self._capacity)
        self._putter.forget()

    @overload
    def put(
        self,
        message: Message,
        *,
        session: ClientSession | None = None,
        headers: Mapping[str, str] | None = None,
        standalone: bool = False,
        if_changed: Literal[False] = False,
    ) -> ObjectId: ...
    @overload
    def put(
        self,
        message: Sequence[Message],
        *,
        session: ClientSession | None = None,
        headers: Mapping[str, str] | None = None,
        standalone: bool = False,
        if_changed: Literal[False] = False,
    ) -> list[ObjectId]: ...
    @overload
    def put(
        self,
        message: Message,
        *,
        session: ClientSession | None = None,
        headers: Mapping[str, str] | None = None,
        standalone: bool = False,
        if_changed: bool,
    ) -> ObjectId | None: ...
    @overload
    def put(
        self,
        message: Sequence[Message],
        *,
        session: ClientSession | None = None,
        headers: Mapping[str, str] | None = None,
        standalone: bool = False,
        if_changed: bool,
    ) -> list[ObjectId | None]: ...
    def put(
        self,
        message: Message | Sequence[Message],
        *,
        session: ClientSession | None = None,
        headers: Mapping[str, str] | None = None,
        standalone: bool = False,
        if_changed: bool = False,
    ) -> ObjectId | list[ObjectId] | list[ObjectId | None] | None:
        """Puts one message, or a sequence of them in order; returns the message id, or a list of ids.

        They commit and abort with the transaction of the session, given or bound (`session.bind()`; that always wins).

        standalone: True for messages that belong to no other write, and only outside a transaction: one message is one
            insert within 5 s, a sequence a transaction within 30 s, or what `timeoutMS` or `pymongo.timeout` says. A
            session that has no transaction may be given, and makes no difference.
        if_changed: True for messages of compacted types, to put only those whose data differs from the newest of their
            id, as the transaction sees it: None stands for the others. It is put where that is not certain: an id that
            the view does not have, a view that lags far or is not kept. Headers play no part. Raises InvalidMessage for
            a type that is not compacted.

        Raises, before anything is written: TransactionRequired, UnknownMessage, InvalidMessage, InvalidHeaders,
        MessageTooLarge, OutboxNotCreated. Pymongo's errors pass through, so that `with_transaction` can retry.
        """
        self.check_usable()
        messages = as_sequence(message)
        ids: list[ObjectId] | list[ObjectId | None]
        with putting(self.collections.log.full_name, len(messages), headers) as traced:
            if if_changed:
                changed = ChangedOnly(self.collections, self._types.compactions)
                ids = self._putter.put_changed(messages, session, traced, standalone=standalone, changed=changed)
            else:
                ids = self._putter.put(messages, session, traced, standalone=standalone)
        self.unattended.check()
        return ids if isinstance(message, Sequence) else ids[0]

    @outside_bound_session
    def sequence(self) -> int:
        """One sweep by hand, for tests and jobs: numbers what staging holds and returns how many messages that were.

        Returns 0 when another process works, which takes a second to see; one killed elsewhere is waited for, 3 s.
        Raises pymongo's errors, LeaseLost and OutboxNotCreated.
        """
        self.check_usable()
        return sequence_once(self.collections)

    @outside_bound_session
    @patient
    def status(self) -> Status:
        """Where the log, the readers and the sequencer are. Raises OutboxNotCreated and pymongo's errors."""
        self.check_usable()
        return status(self.collections)

    @outside_bound_session
    @patient
    def types(self) -> tuple[str, ...]:
        """The message types that staging's validator accepts, from whichever service declared them."""
        self.check_usable()
        options = self.collections.options(self.collections.staging.name) or {}
        return types_of(options.get("validator", {}))

    def json_schemas(self) -> dict[str, dict[str, Any]]:
        """By type name, the JSON Schema (2020-12) of the value on Kafka of each message class. Asks no server."""
        return self._types.json_schemas()

    @outside_bound_session
    def drop(self) -> None:
        """Drops the collections with every message in them; readers get LogReplaced. The leases stay, so that a
        sequencer of the dropped log stays fenced out of one made anew.

        Raises IncompatibleOutbox while another process sequences: appending to a missing log would make a plain
        collection. Stop that process first. One killed on another host is waited for, 3 s.
        """
        self.check_usable()
        self._end_reading()
        self._putter.forget()
        creation.drop(self.collections)

    def close(self) -> None:
        """Completes all subscriptions and stops the background threads; the client stays open. Idempotent."""
        if self._closed or self._pid != os.getpid():
            return
        self._end_consumers(STOP_SECONDS)  # before the rest: a handler that runs may still put
        self._closed = True
        self._end_reading(0)

    def __enter__(self) -> Outbox:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def check_usable(self) -> None:
        if self._pid != os.getpid():
            raise OutboxClosed(
                "this Outbox was made before the process forked; threads and sessions do not survive a fork. Make a "
                "client and an Outbox in each process"
            )
        if self._closed:
            raise OutboxClosed("this Outbox was closed; make a new one")
