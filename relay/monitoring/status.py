"""How far a relay is: its cursor, what is left to deliver, and who works on it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from outbox import Outbox, dates
from outbox.dead_letters.admin import DeadLetterAdmin
from outbox.log.position import Position
from outbox.log.reader_id import relay_id
from outbox.mongo.lease import read_lease
from outbox.mongo.server_errors import patient
from outbox.monitoring.headroom import Headroom
from outbox.monitoring.status import lease_with_ages
from outbox.monitoring.waiting import waiting_seconds
from outbox.shares.layout import load, share_cursor
from outbox.shares.share import Share, shares
from outbox.shares.stopped import described as described_stop


@dataclass(frozen=True, slots=True)
class ShareStatus:
    """How far one share is."""

    share: int
    """Its number, from 1."""
    cursor: dict[str, Any] | None
    lag_records: int | None
    holder: str | None
    fence: int
    silent_seconds: float | None
    """As RelayStatus.silent_seconds, of this share's holder."""


@dataclass(frozen=True, slots=True)
class RelayStatus:
    """How far a relay is at one moment; its parts are read one after the other.

    With several shares, cursor, lag, holder, fence and headroom are those of the slowest.
    """

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
    """How long the next record has been waiting, by the database's clock; 0 when there is none."""
    staging: int
    """Messages that are committed and not yet in the log. Approximate."""
    holder: str | None
    """Which process holds the relay's lease; None when none does. A killed one still does until another takes over."""
    silent_seconds: float | None
    """How long that process has given no sign of life, by the database's clock: a second at most when it is well. None
    without one."""
    paused: bool
    """Whether it was paused: it delivers nothing then, and holds the log all the same."""
    stopped: dict[str, Any] | None
    """`{why, at}`: the error that the relay stopped with; None when it did not stop with one, or runs again."""
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
    shares: tuple[ShareStatus, ...]
    """The status of each share; one, unless the relay was given more."""

    def as_dict(self) -> dict[str, Any]:
        """What `relay status --json` prints."""
        return asdict(self)


@patient
def relay_status(outbox: Outbox, name: str) -> RelayStatus:
    """Reads the status of the relay `name`. Raises OutboxNotCreated and pymongo's errors."""
    status = outbox.status()
    layout = load(outbox.collections, relay_id(name))
    letters = DeadLetterAdmin(outbox.collections, relay_id(name))
    headrooms = {cursor.reader: cursor.headroom for cursor in status.cursors}
    share_statuses = tuple(
        _share_status(outbox, name, share, position, status.head)
        for share, position in zip(shares(layout.total), layout.positions or (None,), strict=True)
    )
    slowest = min(share_statuses, key=lambda share: -1 if share.cursor is None else share.cursor["seq"])
    share = Share(slowest.share, len(share_statuses))
    cursors = share_cursor(outbox.collections.cursors, relay_id(name), share)
    return RelayStatus(
        database=outbox.collections.database.name,
        outbox=outbox.name,
        name=name,
        delivery=None if slowest.cursor is None else "exactly-once" if cursors.is_in_kafka() else "at-least-once",
        head=status.head,
        oldest=status.oldest,
        cursor=slowest.cursor,
        lag_records=slowest.lag_records,
        lag_seconds=None if slowest.cursor is None else waiting_seconds(outbox.collections, slowest.cursor["seq"] + 1),
        staging=status.staging,
        holder=slowest.holder,
        silent_seconds=slowest.silent_seconds,
        paused=layout.paused,
        stopped=described_stop(read_lease(outbox.collections.leases, relay_id(name)))
        if slowest.holder is None
        else None,
        fence=slowest.fence,
        dead=letters.count("dead"),
        parked=letters.count("parked"),
        headroom=headrooms.get(cursors.reader),
        held=None if status.held is None else {"reader": status.held.reader, "seconds": status.held.seconds},
        shares=share_statuses,
    )


def _share_status(outbox: Outbox, name: str, share: Share, position: Position | None, head: int) -> ShareStatus:
    lease = lease_with_ages(outbox.collections, relay_id(share.name(name)))
    return ShareStatus(
        share=share.number,
        cursor=None if position is None else described(position),
        lag_records=None if position is None else max(0, head - position[0]),
        holder=lease.get("owner"),
        fence=lease.get("fence", 0),
        silent_seconds=None if lease.get("owner") is None else max(0, lease.get("silent_ms") or 0) / 1000,
    )


def described(position: Position) -> dict[str, Any]:
    """Returns a position as JSON shows it."""
    seq, created, id = position
    return {
        "seq": seq,
        "id": None if id is None else str(id),
        "created": None if created is None else dates.text(created),
    }
