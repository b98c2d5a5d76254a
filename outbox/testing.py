"""Test doubles that encode for real: an outbox in memory for code that puts, and a clock that tests move."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any, Literal, overload

import bson
from bson import ObjectId
from pymongo.client_session import ClientSession

from outbox import dates
from outbox.log.record import Record
from outbox.messages.message_types import MessageTypes
from outbox.mongo.codec import DECODED
from outbox.staging.compacted import check_compacted, compacted
from outbox.staging.put import Message, as_sequence, encode
from outbox.staging.transaction import joined


class FakeClock:
    """A clock that stands still until it is told to advance. Not thread-safe."""

    def __init__(self, now: float = 0.0) -> None:
        self._now = now

    def monotonic(self) -> float:
        return self._now

    def wait(self, seconds: float, stop: threading.Event | None = None) -> bool:
        """Moves it on by so much, at once, unless `stop` is set; says whether that is."""
        if stop is not None and stop.is_set():
            return True
        self.advance(seconds)
        return False

    def advance(self, seconds: float) -> None:
        """Moves it on; a negative number would make it no monotonic clock."""
        if seconds < 0:
            raise ValueError(f"a monotonic clock cannot go back {-seconds} s")
        self._now += seconds


class MemoryOutbox:
    """Stands in for an Outbox in tests of code that puts; needs no server. Thread-safe.

    `put` takes the same arguments, checks and encodes in the same way, and raises the same TransactionRequired,
    UnknownMessage, InvalidMessage, InvalidHeaders and MessageTooLarge. It only looks whether there is a transaction
    (any object whose `in_transaction` is true may stand for a session): what was put is in `records` at once, and an
    abort takes nothing back. To test that, use a real server (`outbox.embedded`).
    """

    def __init__(self, *, messages: Sequence[type[Any]] = (), max_message_bytes: int = 1_000_000) -> None:
        self._types = MessageTypes(messages)
        self._max_message_bytes = max_message_bytes
        self._records: list[Record[Any]] = []
        self._newest: dict[str | None, bytes | None] = {}
        """What the newest of each compaction id says."""
        self._lock = threading.Lock()

    @property
    def records(self) -> list[Record[Any]]:
        """What was put so far, numbered from 1, as a reader of the log would see it."""
        with self._lock:
            return list(self._records)

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
        """As Outbox.put, all of them or none; see the class for what differs.

        if_changed: the newest of an id is always known here.
        """
        joined(session, standalone=standalone)
        encoded = encode(as_sequence(message), headers, self._types, self._max_message_bytes)
        messages = {id: compacted(document, self._types.compactions) for id, document in encoded.items()}
        if if_changed:
            check_compacted(messages.values())
        ids: list[ObjectId | None] = []
        with self._lock:
            for id, document in encoded.items():
                _, entry, data = messages[id]
                if if_changed and self._newest.get(entry, b"none") == data:
                    ids.append(None)
                    continue
                ids.append(id)
                if entry is not None:
                    self._newest[entry] = data
                staged = bson.decode(document, codec_options=DECODED)
                fields = {name: staged[name] for name in ("type", "key", "headers", "data")}
                created = dates.milliseconds(staged["created"])
                self._records.append(Record(len(self._records) + 1, id.binary, created, fields, self._types.decode))
        return ids if isinstance(message, Sequence) else ids[0]
