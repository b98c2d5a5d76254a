"""Gathers the numbers of an outbox: those that this process has counted, and those that its database has."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from outbox.counting.tally import ReaderTally
from outbox.dead_letters.document import SEQUENCER
from outbox.log.reader_id import reader_of
from outbox.metrics.numbers import Numbers
from outbox.mongo.collections import Collections
from outbox.monitoring.status import CursorStatus, survey
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
        self._count_roles(numbers)

    def _count_reader(self, numbers: Numbers, id: str, reader: ReaderTally) -> None:
        numbers.set_all("outbox_handled_messages_total", reader.handled.all(), *self._labels, id)
        numbers.set("outbox_handle_seconds", reader.handle_seconds.all(), *self._labels, id)

    def _count_roles(self, numbers: Numbers) -> None:
        held = self.collections.roles_held()
        asked = {role for *outbox, role in numbers.values["outbox_lease_held"] if tuple(outbox) == self._labels}
        roles = {"sequencer", *asked, *self._counted_here(asked)}
        numbers.add_all("outbox_lease_held", dict.fromkeys(roles, 0), *self._labels)
        numbers.set_all("outbox_lease_held", dict.fromkeys(held, 1), *self._labels)

    def _counted_here(self, known: Iterable[str]) -> set[str]:
        """Returns the readers of this process. One with several shares has the roles of those, which the database
        knows, and holds none of its own name."""
        of_shares = {reader_of(each) for each in known if reader_of(each) != each}
        return self.collections.tally.readers().keys() - of_shares

    def ask(self, numbers: Numbers) -> None:
        """Sets what the database says, and declares in the tally the types that it has. Raises OutboxNotCreated and
        pymongo's errors."""
        (now, leases, letters), labels = survey(self.collections), self._labels
        known = [each.reader for each in now.cursors]
        readers = dict.fromkeys([*known, *sorted(self._counted_here(known))])
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
            numbers.add_all("outbox_lease_held", {role: 0}, *labels)  # `count` knows which this process holds
            numbers.set("outbox_lease_takeovers_total", int(lease.get("fence", 0)), *labels, role)
        for reader in dict.fromkeys([SEQUENCER, *readers, *letters]):
            counts = letters.get(reader, {})
            numbers.set_all("outbox_dead_letters", {state: counts.get(state, 0) for state in STATES}, *labels, reader)

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

    def _types(self) -> Iterable[str]:
        options = self.collections.options(self.collections.staging.name) or {}
        return types_of(options.get("validator", {}))
