"""How far a relay is, and whether it is alive."""

from __future__ import annotations

import threading
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from outbox import Outbox
from outbox.clock import Clock
from outbox.collections import DECODED, call
from outbox.headroom import Headroom
from outbox.lease import SECONDS, holder
from relay import dates
from relay.cursor import Cursors, role
from relay.disposal import DeadLetterOffice
from relay.encoding import Position

_LOOK_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class RelayStatus:
    """A moment's view; its parts are read one after the other."""

    database: str
    outbox: str
    name: str
    """The relay's."""
    delivery: str | None
    """`at-least-once` or `exactly-once`, as the saved cursor says: by which one a relay went on last. None without a
    cursor. After `relay cursor set` it is `at-least-once` until a relay starts."""
    head: int
    """The log's newest seq; 0 when nothing was ever appended."""
    oldest: int
    """The oldest seq the log still holds; head + 1 when it holds none."""
    cursor: dict[str, Any] | None
    """`{seq, id, created}` of the last record delivered, id and date as text; None before the first start."""
    lag_records: int | None
    """Records in the log and not yet delivered; None without a cursor."""
    lag_seconds: float | None
    """How long the next of them has been waiting, by the database's clock; 0 when there is none."""
    staging: int
    """Messages that are committed and not yet in the log. Approximate."""
    holder: str | None
    """Which process holds the relay's lease; None when none does. A killed one still does until another takes over."""
    fence: int
    """How often the lease was taken so far."""
    dead: int
    """Messages put aside, by this relay or by the sequencer, because they cannot be delivered."""
    parked: int
    """Messages put aside by this relay because an earlier one of their key is dead."""
    headroom: Headroom | None
    """What may be appended before the sequencer waits for this relay; None when it never will: there is no cursor, or
    the log does not hold what comes after it."""
    held: dict[str, Any] | None
    """`{reader, seconds}`: whom the sequencer waits for, this relay or another reader, and for how long."""

    def as_dict(self) -> dict[str, Any]:
        """What `relay status --json` prints."""
        return asdict(self)


def relay_status(outbox: Outbox, name: str) -> RelayStatus:
    """The status of the relay `name`. Raises OutboxNotCreated and pymongo's errors."""
    status = outbox.status()
    cursors = Cursors(outbox.collections.cursors, name)
    cursor = cursors.load()
    lease = holder(outbox.collections.leases, role(name))
    office = DeadLetterOffice(outbox, name)
    headrooms = {each.reader: each.headroom for each in status.cursors}
    return RelayStatus(
        database=outbox.collections.database.name,
        outbox=outbox.name,
        name=name,
        delivery=None if cursor is None else "exactly-once" if cursors.is_in_kafka() else "at-least-once",
        head=status.head,
        oldest=status.oldest,
        cursor=None if cursor is None else described(cursor),
        lag_records=None if cursor is None else max(0, status.head - cursor[0]),
        lag_seconds=None if cursor is None else _waiting_seconds(outbox, cursor[0] + 1),
        staging=status.staging,
        holder=None if lease is None else lease["owner"],
        fence=0 if lease is None else lease["fence"],
        dead=office.count("dead"),
        parked=office.count("parked"),
        headroom=headrooms.get(role(name)),
        held=None if status.held is None else {"reader": status.held.reader, "seconds": status.held.seconds},
    )


def described(position: Position) -> dict[str, Any]:
    """A position as JSON has it."""
    seq, created, id = position
    return {
        "seq": seq,
        "id": None if id is None else str(id),
        "created": None if created is None else dates.text(created),
    }


def _waiting_seconds(outbox: Outbox, seq: int) -> float | None:
    record = outbox.log.at(seq)
    if record is None:
        return 0.0
    created: object = record.created
    if not isinstance(created, datetime):  # a date that Python cannot hold
        return None
    with call():
        now = outbox.collections.database.command("hello", codec_options=DECODED)["localTime"]
    return float(max(0.0, (now - created).total_seconds()))


def unhealthy(outbox: Outbox, name: str, clock: Clock, seconds: float = SECONDS) -> str | None:
    """Why the relay `name` is not healthy; None when its lease is held and beats within `seconds`.

    It watches the beat move, so it takes up to a third of the lease time; no two clocks are compared.
    """
    deadline = clock.monotonic() + seconds
    first: tuple[int, int] | None = None
    while True:
        lease = holder(outbox.collections.leases, role(name))
        if lease is None:
            return f"no relay {name!r} has ever worked on this outbox"
        if lease["owner"] is None:
            return f"no relay {name!r} is at work: the last one gave its lease back"
        beat = (lease["fence"], lease["beat"])
        if first is not None and beat != first:
            return None
        first = beat
        if clock.monotonic() > deadline:
            return f"relay {name!r} ({lease['owner']}) gave no sign of life for {seconds:g} s"
        threading.Event().wait(_LOOK_SECONDS)
