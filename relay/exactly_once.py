"""Exactly-once delivery: the cursor is committed with the records, and `NAME.cursors` follows it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import NamedTuple

from bson import ObjectId
from pymongo.client_session import ClientSession

from outbox import Outbox
from outbox.lease import Lease
from relay import dates
from relay.at_least_once import AtLeastOnce, Restart
from relay.cursor import Cursors, position_at, verify
from relay.dead_letters import DeadLetters
from relay.encoding import Position
from relay.errors import CursorMismatch
from relay.released import Released
from relay.sink import Outgoing
from relay.transactions import Transactions


class Stored(NamedTuple):
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


def parse(text: str) -> Stored:
    """What `Stored.text` gave."""
    found = json.loads(text)
    return Stored(found["seq"], found["created"], found["id"], tuple(found.get("requeued", ())))


def at(position: Position, requeued: Sequence[ObjectId] = ()) -> Stored:
    """A position as it is stored."""
    seq, created, id = position
    text = None if created is None else dates.text(created)
    return Stored(seq, text, None if id is None else str(id), tuple(map(str, requeued)))


def after(last: Outgoing) -> Stored:
    """The cursor after a record of the log."""
    seq, _, _, _, headers = last
    named = dict(headers)
    return Stored(seq, named["created"], named["id"])


class ExactlyOnce(AtLeastOnce):
    """Keeps a relay's cursor where its records go, under the relay's lease. Not thread-safe.

    The stored cursor counts while `NAME.cursors` says so; there it is written after the commit, so it is never ahead
    but for messages put aside, and the further of the two is where to go on. `cursors` must be made with `in_kafka`.
    """

    def __init__(self, outbox: Outbox, cursors: Cursors, sink: Transactions) -> None:
        super().__init__(outbox, cursors)
        self.name = f"{outbox.collections.database.name}.{outbox.name}/{cursors.name}"
        """What transactions and the stored cursor go by."""
        self._sink = sink
        self._stored: Stored | None = None
        self._resting: Position = 0, None, None
        self._cursor: Callable[[Outgoing], Stored] = after

    def position(self, lease: Lease, letters: DeadLetters) -> Position | None:
        """See AtLeastOnce; takes over first. Raises also DeliveryFailed, DeliveryRefused."""
        with self._outbox.collections.client.start_session(causal_consistency=True) as session:
            return self._position(lease, letters, session)

    def _position(self, lease: Lease, letters: DeadLetters, session: ClientSession) -> Position | None:
        stored = self._take_over(lease, session)
        saved = self._cursors.load(session)
        if saved is None:
            if stored is not None:
                raise CursorMismatch(
                    f"Kafka has a cursor of {self.name}, at seq {stored.seq}, but the outbox has none: it was made "
                    f"anew or restored; or the cursor was forgotten: `relay cursor set {stored.seq}` goes on after it"
                )
            return None
        if not self._cursors.is_in_kafka():  # the one stored, if any, is older than what an operator or a relay did
            self._stored = None
            position = saved
        elif stored is None:
            raise self._gone(saved)
        else:
            letters.delivered([ObjectId(id) for id in stored.requeued])
            position = self._further(stored, saved)
        verify(position, self._outbox.log, self._cursors.name, session)
        return position

    def begin(self, position: Position, lease: Lease) -> None:
        """See AtLeastOnce: lets the stored cursor count from here on, and be `position`. Raises as `position`."""
        stored, wanted = self._stored, at(position)
        if stored is None or stored.requeued or (stored.seq, stored.id) != (wanted.seq, wanted.id):
            self._sink.store(wanted.text())
        self._cursors.save(position, lease.fence)
        self._cursor = after

    def restart(self, lease: Lease) -> Restart:
        """See AtLeastOnce: takes over again, for the last transaction may be committed or not."""

        def restart(prefix: Position) -> Position:
            stored = self._take_over(lease)
            if stored is None:
                raise self._gone(prefix)
            return self._further(stored, prefix)

        return restart

    def rest(self, lease: Lease, letters: DeadLetters) -> bool:
        """See AtLeastOnce: removes letters that a crash has left, and keeps the position of the log."""
        position = self.position(lease, letters)
        if position is None:
            return False
        self.begin(position, lease)
        self._resting = position
        # The log comes to such a message again. If its letter were sent and removed by then, it would go out twice; as
        # it is, the cursor passes it by, for its key is parked.
        return not letters.beyond(position[0])

    def restart_letters(self, lease: Lease, released: Released) -> Restart:
        """See AtLeastOnce. From here on transactions store which letters they delivered, and leave the position."""
        position = self._resting
        self._cursor = lambda last: at(position, released.delivered_up_to(last[0]))

        def restart(prefix: Position) -> Position:
            stored = self._take_over(lease)
            if stored is None:
                raise self._gone(position)
            return released.further(stored.requeued, prefix)

        return restart

    def _take_over(self, lease: Lease, session: ClientSession | None = None) -> Stored | None:
        lease.renew()  # only the holder may fence off others
        text = self._sink.take_over(self.name, lambda last: self._cursor(last).text())
        # Another relay that takes over claims first and fences second. So if nobody has claimed by now, whoever does
        # will fence this one.
        self._cursors.claim(lease.fence, session)
        lease.renew()
        self._stored = None if text is None else parse(text)
        return self._stored

    def _gone(self, known: Position) -> CursorMismatch:
        return CursorMismatch(
            f"relay {self._cursors.name!r} keeps its cursor in Kafka, but Kafka has none of {self.name}: its topic was "
            f"made anew, or this is another Kafka. Seq {known[0]} is known to be delivered, and perhaps a few more: "
            f"`relay cursor set {known[0]}` goes on after it"
        )

    def _further(self, stored: Stored, position: Position) -> Position:
        if stored.seq <= position[0]:
            return position
        seq, created, id = position_at(stored.seq, self._outbox.log)
        if stored.id is None or id is None or str(id) != stored.id:  # rolled over, or of another log: `verify` tells
            return stored.seq, None, None if stored.id is None else ObjectId(stored.id)
        return seq, created, id
