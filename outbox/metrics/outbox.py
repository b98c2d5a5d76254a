"""Gathers the numbers of an outbox: those that this process has counted, and those that its database has."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from outbox.counting.tally import ReaderTally
from outbox.dead_letters.document import SEQUENCER
from outbox.metrics.numbers import Numbers
from outbox.mongo.calls import time_limit
from outbox.mongo.codec import Document
from outbox.mongo.collections import Collections
from outbox.mongo.process_identity import this_process
from outbox.monitoring.status import CursorStatus, status
from outbox.monitoring.waiting import waiting_seconds
from outbox.staging.validator import types_of

STATES = ("dead", "parked")


class Measured(Protocol):
    """What is measured of an Outbox or an AsyncOutbox."""

    @property
    def collections(self) -> Collections: ...


class OutboxNumbers:
    """Gathers the numbers of one outbox. Thread-safe. by_database: whether the database is a label, too."""

    def __init__(self, collections: Collections, *, by_database: bool) -> None:
        self.collections = collections
        self._labels = (collections.database.name, collections.name) if by_database else (collections.name,)

    def count(self, numbers: Numbers) -> None:
        """Sets what this process has counted. Asks no server."""
        tally, labels = self.collections.tally, self._labels
        readers = tally.readers()
        numbers.add_all("outbox_put_messages_total", tally.put.all(), *labels)
        numbers.add_all("outbox_held_seconds_total", dict.fromkeys(readers, 0) | tally.held_seconds.all(), *labels)
        for id, reader in readers.items():
            self._count_reader(numbers, id, reader)

    def _count_reader(self, numbers: Numbers, id: str, reader: ReaderTally) -> None:
        numbers.set_all("outbox_handled_messages_total", reader.handled.all(), *self._labels, id)
        numbers.set("outbox_handle_seconds", reader.handle_seconds.all(), *self._labels, id)

    def ask(self, numbers: Numbers) -> None:
        """Sets what the database says, and declares in the tally the types that it has. Raises OutboxNotCreated and
        pymongo's errors."""
        now, labels = status(self.collections), self._labels
        readers = dict.fromkeys([each.reader for each in now.cursors] + list(self.collections.tally.readers()))
        leases, letters = self._leases(), self._letters()
        self.collections.tally.put.declare(self._types())
        for name, value in {
            "outbox_sequenced_messages_total": now.head,
            "outbox_staging_messages": now.staging,
            "outbox_staging_oldest_age_seconds": now.staging_seconds or 0.0,
            "outbox_log_head_seq": now.head,
            "outbox_log_oldest_seq": now.oldest,
            "outbox_log_size_bytes": now.size,
            "outbox_log_capacity_bytes": now.capacity,
        }.items():
            numbers.set(name, value, *labels)
        for id in readers:  # one that has not begun is behind with nothing, and holds nobody
            self._set_reader(numbers, id, (0, 0.0, now.capacity, float("inf")))
        for cursor in now.cursors:
            self._set_reader(numbers, cursor.reader, self._of_reader(cursor, now.head, now.capacity))
        for role in ("sequencer", *readers):
            lease = leases.get(role, {})
            numbers.set("outbox_lease_held", float(_is_ours(lease)), *labels, role)
            numbers.set("outbox_lease_takeovers_total", int(lease.get("fence", 0)), *labels, role)
        for reader in dict.fromkeys([SEQUENCER, *readers, *letters]):
            numbers.set_all("outbox_dead_letters", dict.fromkeys(STATES, 0) | letters.get(reader, {}), *labels, reader)

    def _set_reader(self, numbers: Numbers, id: str, values: Sequence[float]) -> None:
        of = ("lag_records", "lag_seconds", "headroom_bytes", "headroom_seconds")
        for name, value in zip(of, values, strict=True):
            numbers.set(f"outbox_reader_{name}", value, *self._labels, id)

    def _of_reader(self, cursor: CursorStatus, head: int, capacity: int) -> tuple[float, float, float, float]:
        if cursor.headroom is not None:
            seconds = cursor.headroom.seconds
            left: tuple[float, float] = (cursor.headroom.bytes, float("inf") if seconds is None else seconds)
        else:  # its next record is gone; or it is beyond this log's end, and holds nobody
            left = (0, 0.0) if cursor.seq < head else (capacity, float("inf"))
        waiting = waiting_seconds(self.collections, cursor.seq + 1) if cursor.lag else 0.0
        return cursor.lag, float("nan") if waiting is None else waiting, *left

    def _leases(self) -> dict[str, Document]:
        with time_limit():
            return {str(each["_id"]): each for each in self.collections.leases.find()}

    def _letters(self) -> dict[str, dict[str, int]]:
        group: Document = {"_id": {"reader": "$reader", "state": "$state"}, "count": {"$sum": 1}}
        found: dict[str, dict[str, int]] = {}
        with time_limit():
            for each in self.collections.dead.aggregate([{"$group": group}]):
                if each["_id"].get("state") in STATES:
                    found.setdefault(str(each["_id"].get("reader")), {})[each["_id"]["state"]] = each["count"]
        return found

    def _types(self) -> Iterable[str]:
        options = self.collections.options(self.collections.staging.name) or {}
        return types_of(options.get("validator", {}))


def _is_ours(lease: Document) -> bool:
    """Tells whether this process holds a lease: by its identity, where there is one, and by the owner's name."""
    owner: Any = lease.get("owner")
    ours = isinstance(owner, str) and owner.startswith(f"{socket.gethostname()}:{os.getpid()}:")
    return ours and lease.get("process") == this_process()
