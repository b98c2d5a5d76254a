"""Exactly-once delivery: the cursor is committed with the records, and `NAME.cursors` follows it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import NamedTuple

from bson import ObjectId
from pymongo.client_session import ClientSession

from outbox import dates
from outbox.dead_letters.requeued import RequeuedLetters
from outbox.dead_letters.store import DeadLetterStore
from outbox.delivery.at_least_once import AtLeastOnce, Restart
from outbox.delivery.ports import OpenOutbox, Outgoing, TransactionalSink
from outbox.log.cursor_document import whole
from outbox.log.cursors import CursorStore
from outbox.log.position import Position, position_at, verify_position
from outbox.mongo.collections import HIGHEST_SEQ
from outbox.mongo.lease import Lease
from relay.errors import CursorMismatch
from relay.origin import origin_of

_TAKE_OVER_SECONDS = 15.0  # the lease time while it takes over: that may take 10 s, and with 0.8 of it a holder stops


class StoredCursor(NamedTuple):
    """The cursor that is stored with the records, as JSON `{"seq", "created", "id"}`: of the log's last record that was
    delivered. `requeued`: the ids of dead letters delivered since, which may still be in `NAME.dead`."""

    seq: int
    created: str | None
    id: str | None
    requeued: tuple[str, ...] = ()

    def text(self) -> str:
        """As it is stored."""
        found = self._asdict()
        if not self.requeued:
            del found["requeued"]
        return json.dumps(found, separators=(",", ":"))


def parse(text: str) -> StoredCursor:
    """What `StoredCursor.text` gave. Raises ValueError, with what is wrong with the text of somebody else."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError("is no JSON") from None
    if not isinstance(found, dict):
        raise ValueError("is no JSON object")  # noqa: TRY004  # as all that is wrong with a text
    seq, created, id, requeued = (found.get(name) for name in ("seq", "created", "id", "requeued"))
    if not isinstance(seq, int) or whole(seq, 0, HIGHEST_SEQ) is None:
        raise ValueError("has no seq, or one that is no whole number from 0")
    if not {"created", "id"} <= found.keys() or not isinstance(created, str | None) or not _is_id(id, or_none=True):
        raise ValueError("has no id and date of a message, nor null")
    if requeued is not None and not (isinstance(requeued, list) and all(_is_id(each) for each in requeued)):
        raise ValueError("has a `requeued` that is no list of message ids")
    return StoredCursor(seq, created, id, tuple(requeued or ()))


def _is_id(value: object, *, or_none: bool = False) -> bool:
    return (isinstance(value, str) and ObjectId.is_valid(value)) or (or_none and value is None)


def _seq(text: str) -> int | None:
    try:
        return parse(text).seq
    except ValueError:
        return None


def stored_at(position: Position, requeued: Sequence[ObjectId] = ()) -> StoredCursor:
    """A position as it is stored."""
    seq, created, id = position
    text = None if created is None else dates.text(created)
    return StoredCursor(seq, text, None if id is None else str(id), tuple(map(str, requeued)))


def after(last: Outgoing) -> StoredCursor:
    """The cursor after a record of the log."""
    origin = origin_of(last)
    if origin is not None:
        return StoredCursor(last[0], origin.created, origin.id)
    named = dict(last[4])
    return StoredCursor(last[0], named["created"], named["id"])


class ExactlyOnce(AtLeastOnce):
    """Keeps a relay's cursor where its records go, under the relay's lease. Not thread-safe.

    The stored cursor counts while `NAME.cursors` says so; there it is written after the commit, so it is never ahead
    but for messages put aside, and the further of the two is where to go on. `cursors` must be made with `in_kafka`.
    """

    def __init__(self, outbox: OpenOutbox, cursors: CursorStore, sink: TransactionalSink) -> None:
        super().__init__(outbox, cursors)
        self._relay = f"{outbox.collections.database.name}.{outbox.name}/{cursors.group.removeprefix('relay:')}"
        self.name = f"{outbox.collections.database.name}.{outbox.name}/{cursors.name}"
        """What transactions and the stored cursor go by."""
        self._sink = sink
        self._stored: StoredCursor | None = None
        self._resting: Position = 0, None, None
        self._cursor: Callable[[Outgoing], StoredCursor] = after

    def position(self, lease: Lease, letters: DeadLetterStore) -> Position | None:
        """See AtLeastOnce; takes over first. Raises also DeliveryFailed, DeliveryRefused."""
        with self._outbox.collections.client.start_session(causal_consistency=True) as session:
            return self._position(lease, letters, session)

    def _position(self, lease: Lease, letters: DeadLetterStore, session: ClientSession) -> Position | None:
        self._stored = None
        text = self._take_over(lease, session)
        saved = self.cursors.load(session)
        if saved is None:
            self._refuse_to_begin_anew()
            return None
        position = saved
        if self.cursors.is_in_kafka():  # else the one stored, if any, is older than what an operator or a relay did
            stored = self._stored = self._parsed(text, saved)
            letters.remove([ObjectId(id) for id in stored.requeued])
            position = self._further(stored, saved)
        verify_position(position, self._outbox.log, self.cursors.reader, session)
        return position

    def _refuse_to_begin_anew(self) -> None:
        """A relay of this name has left a cursor, with this number of shares or another: it is no first start."""
        found = self._sink.stored(self._relay)
        if not found:
            return
        seqs = [seq for text in found.values() if (seq := _seq(text)) is not None]
        lowest = min(seqs, default=0)
        at = f", at seq {lowest}{' or more' if len(seqs) > 1 else ''}" if seqs else ""
        raise CursorMismatch(
            f"Kafka has a cursor of {', '.join(sorted(found))}{at}, but the outbox has none: it was made anew "
            f"or restored; or the cursor was forgotten: `relay cursor set {lowest}` goes on after it"
        )

    def begin(self, position: Position, lease: Lease) -> None:
        """See AtLeastOnce: lets the stored cursor count from here on, and be `position`. Raises as `position`."""
        stored, wanted = self._stored, stored_at(position)
        if stored is None or stored.requeued or (stored.seq, stored.id) != (wanted.seq, wanted.id):
            self._sink.store(wanted.text())
        self.cursors.save(position, lease.fence)
        self._cursor = after

    def restart(self, lease: Lease) -> Restart:
        """See AtLeastOnce: takes over again, for the last transaction may be committed or not."""

        def restart(prefix: Position) -> Position:
            self._stored = self._parsed(self._take_over(lease), prefix)
            return self._further(self._stored, prefix)

        return restart

    def rest(self, lease: Lease, letters: DeadLetterStore) -> bool:
        """See AtLeastOnce: removes letters that a crash has left, and keeps the position of the log."""
        position = self.position(lease, letters)
        if position is None:
            return False
        self.begin(position, lease)
        self._resting = position
        # The log comes to such a message again. If its letter were sent and removed by then, it would go out twice; as
        # it is, the cursor passes it by, for its key is parked.
        return not letters.any_after(position[0], self._outbox.log)

    def restart_letters(self, lease: Lease, requeued: RequeuedLetters) -> Restart:
        """See AtLeastOnce. From here on transactions store which letters they delivered, and leave the position."""
        position = self._resting
        self._cursor = lambda last: stored_at(position, requeued.delivered_up_to(last[0]))

        def restart(prefix: Position) -> Position:
            self._stored = self._parsed(self._take_over(lease), position)
            return requeued.further(self._stored.requeued, prefix)

        return restart

    def _take_over(self, lease: Lease, session: ClientSession | None = None) -> str | None:
        # It begins with a beat: only the holder may fence off others. And nobody else should begin to, meanwhile: two
        # that take over from each other in turn would send nothing.
        with lease.longer(_TAKE_OVER_SECONDS):
            text = self._sink.take_over(self.name, lambda last: self._cursor(last).text())
            # Another relay that takes over claims first and fences second. So if nobody has claimed by now, whoever
            # does will fence this one.
            self.cursors.claim(lease.fence, session)
        return text

    def _parsed(self, text: str | None, known: Position) -> StoredCursor:
        if text is None:
            raise self._gone(known)
        try:
            return parse(text)
        except ValueError as wrong:
            raise CursorMismatch(
                f"relay {self.cursors.name!r} keeps its cursor in Kafka, and what stands there under {self.name} no "
                f"relay has written: {text!a:.200} {wrong}. {self._way_on(known)}"
            ) from None

    def _gone(self, known: Position) -> CursorMismatch:
        return CursorMismatch(
            f"relay {self.cursors.name!r} keeps its cursor in Kafka, but Kafka has none of {self.name}: its topic was "
            f"made anew, or this is another Kafka; or the cursor was removed there. {self._way_on(known)}"
        )

    def _way_on(self, known: Position) -> str:
        return (
            f"Seq {known[0]} is known to be delivered, and perhaps a few more: `relay cursor set {known[0]}` goes on "
            f"after it"
        )

    def _further(self, stored: StoredCursor, position: Position) -> Position:
        if stored.seq <= position[0]:
            return position
        seq, created, id = position_at(stored.seq, self._outbox.log)
        if stored.id is None or id is None or str(id) != stored.id:  # rolled over, or of another log: `verify` tells
            return stored.seq, None, None if stored.id is None else ObjectId(stored.id)
        return seq, created, id
