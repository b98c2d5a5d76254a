"""What there is of each durable reader: how far it is, who works for it, and what it has put aside."""

from __future__ import annotations

from dataclasses import dataclass

from outbox.errors import UnknownReader
from outbox.log.log import Log
from outbox.log.reader_id import check_id, reader_of
from outbox.mongo.calls import time_limit
from outbox.mongo.codec import Document
from outbox.mongo.collections import Collections
from outbox.shares.layout import ShareLayout, surveys
from outbox.shares.share import shares


@dataclass(frozen=True, slots=True)
class ReaderShare:
    """How far one share of a durable reader is."""

    share: int
    """Its number, from 1."""
    position: int | None
    """The seq it has acknowledged last, with everything before it; None when its cursor is missing or damaged."""
    lag: int | None
    """Records in the log behind that; None without a position."""
    holder: str | None
    """Who has its lease, as `host:pid:…`; None when nobody does. One that was killed has it until another takes it."""


@dataclass(frozen=True, slots=True)
class ReaderStatus:
    """A durable reader at one moment; its parts are read one after the other.

    Of several shares, position, lag and holder are those of the one furthest behind.
    """

    id: str
    """Such as `relay:kafka`: what its cursor and its lease are called."""
    kind: str
    """Such as `relay`."""
    position: int | None
    """The seq it has acknowledged last, with everything before it; 0 when none, None when its cursor is damaged."""
    head: int
    """The log's newest seq; 0 when nothing was ever appended."""
    lag: int | None
    """Records in the log that it has not acknowledged; None without a position."""
    shares: int
    """Into how many its keys are divided."""
    holder: str | None
    """Who has its lease, as `host:pid:…`; None when nobody does. One that was killed has it until another takes it."""
    paused: bool
    """Whether it was paused: it sends nothing then, and holds the log all the same."""
    dead_letters: int
    """Messages put aside because they cannot be delivered."""
    parked: int
    """Messages put aside because an earlier one of their key is a dead letter."""
    of_shares: tuple[ReaderShare, ...]
    """How far each share is, in order; a single one when the keys are not divided."""
    fault: str | None = None
    """What is wrong with its cursors; None when nothing is."""


def readers(collections: Collections) -> list[ReaderStatus]:
    """Reads all durable readers that have a cursor, by id. Raises OutboxNotCreated and pymongo's errors."""
    log = Log(collections)
    log.describe()  # raises if create() was never run
    layouts = surveys(collections)
    head, letters, holders = log.head(), _letters(collections), _holders(collections)
    # Of a reader that was forgotten, or of shares that are no more, only a fence is left.
    began = {id: layout for id, layout in layouts.items() if layout.shares is not None or layout.fault is not None}
    return [_status(id, layout, head, holders, letters.get(id, {})) for id, layout in began.items()]


def reader(collections: Collections, id: str) -> ReaderStatus:
    """Reads one of them. Raises UnknownReader, and InvalidName for what can be no id, beside what `readers` raises."""
    for each in readers(collections):
        if each.id == id:
            return each
    raise unknown(collections, id)


def unknown(collections: Collections, id: str) -> UnknownReader:
    """Makes the error for a reader that has no cursor. Raises InvalidName for what can be no id, and as `readers`."""
    known = [each.id for each in readers(collections)]
    if reader_of(id) in known:
        return UnknownReader(f"{id!r} is one share; what is done is done for the whole reader: {reader_of(id)}")
    check_id(id)
    have = ", ".join(known) or "none yet"
    return UnknownReader(f"{collections.log.full_name} has no durable reader {id!r} that has begun; it has {have}")


def _status(id: str, layout: ShareLayout, head: int, holders: dict[str, str | None], letters: Document) -> ReaderStatus:
    positions = layout.positions or (None,) * layout.total
    of_shares = tuple(
        _share(share.number, None if position is None else position[0], head, holders.get(share.name(id)))
        for share, position in zip(shares(layout.total), positions, strict=True)
    )
    slowest = min(of_shares, key=lambda share: -1 if share.position is None else share.position)
    return ReaderStatus(
        id=id,
        kind=id.partition(":")[0],
        position=slowest.position,
        head=head,
        lag=slowest.lag,
        shares=layout.total,
        holder=slowest.holder,
        paused=layout.paused,
        dead_letters=letters.get("dead", 0),
        parked=letters.get("parked", 0),
        of_shares=of_shares,
        fault=None if layout.fault is None else str(layout.fault),
    )


def _share(number: int, position: int | None, head: int, holder: str | None) -> ReaderShare:
    return ReaderShare(number, position, None if position is None else max(0, head - position), holder)


def _holders(collections: Collections) -> dict[str, str | None]:
    with time_limit():
        return {each["_id"]: each.get("owner") for each in collections.leases.find({}, {"owner": 1})}


def _letters(collections: Collections) -> dict[str, dict[str, int]]:
    """Counts the dead letters, by their reader and their state."""
    group: Document = {"_id": {"reader": "$reader", "state": "$state"}, "count": {"$sum": 1}}
    counts: dict[str, dict[str, int]] = {}
    with time_limit():
        for each in collections.dead.aggregate([{"$group": group}]):
            counts.setdefault(each["_id"].get("reader"), {})[each["_id"].get("state")] = each["count"]
    return counts
