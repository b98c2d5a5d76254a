"""How many shares a durable reader has, and how far each of them is, as NAME.cursors and NAME.leases say."""

from __future__ import annotations

import re
from typing import NamedTuple

from bson import Int64
from pymongo.client_session import ClientSession
from pymongo.collection import Collection

from outbox.arguments import MOST_SHARES
from outbox.errors import CursorInUse, CursorMismatch, InvalidArchive, InvalidArgument
from outbox.log.cursor_document import CursorDocument, Layer, parse, whole
from outbox.log.cursors import CursorStore
from outbox.log.position import Position
from outbox.log.reader_id import described, forget_command, reader_of, reset_command, shares_command
from outbox.mongo.calls import outside_bound_session, time_limit
from outbox.mongo.codec import Document
from outbox.mongo.collections import READERS, Collections
from outbox.shares.share import ALL, Share, shares

_ALL = MOST_SHARES + 2  # in one reply, so that they are of one moment
_MANY = 20_000


class ShareLayout(NamedTuple):
    """How a durable reader is shared out."""

    shares: int | None
    """How many shares there are; None before the first start."""
    wanted: int | None
    """How many there shall be; None when nobody wants to change that."""
    positions: tuple[Position | None, ...]
    """How far each share is, in order; None for a cursor that is missing."""
    delivered: tuple[Layer, ...]
    """See Share.delivered."""
    strays: tuple[str, ...] = ()
    """Cursors beside the layout, by their `_id`: those of shares when the document that says how many is gone, say."""
    paused: bool = False
    """Whether somebody has paused the reader."""
    changes: int | None = None
    """Counts what has been written of it so far, in the reader's own lease."""
    fault: CursorMismatch | None = None
    """What is wrong with it; the rest is what is not."""

    @property
    def total(self) -> int:
        """How many shares there are; 1 before the first start, as there will be then if nobody says otherwise."""
        return self.shares or 1

    @property
    def slowest(self) -> Position | None:
        """The position of the share that is furthest behind."""
        return min(filter(None, self.positions), key=lambda position: position[0], default=None)

    @property
    def target(self) -> int | None:
        """How many shares there will be."""
        return self.shares if self.wanted is None else self.wanted


def documents_of(reader: str) -> Document:
    """Finds what there is of a durable reader in NAME.cursors, by its id."""
    return {"_id": {"$regex": f"^{re.escape(reader)}(/[0-9]+)?$"}}


def cursors_of(reader: str) -> Document:
    """Finds the cursors of all the shares of a durable reader, by its id."""
    return {**documents_of(reader), **READERS}


def share_cursor(
    cursors: Collection[Document], reader: str, share: Share = ALL, *, in_kafka: bool = False
) -> CursorStore:
    """The cursor of a durable reader, by its id, or of one share of it. in_kafka: see CursorStore."""
    id = share.name(reader)
    name = id.partition(":")[2]
    return CursorStore(cursors, id, name=name, group=reader, shares=share.total, in_kafka=in_kafka)


def load(collections: Collections, reader: str) -> ShareLayout:
    """The layout of the durable reader with this id. Raises CursorMismatch when it is none that a reader has written,
    pymongo's errors.

    With one share, the default, the document of that id is its cursor; with more it says how many there are.
    """
    layout = survey(collections, reader)
    if layout.fault is not None:
        raise layout.fault
    return layout


@outside_bound_session
def survey(collections: Collections, reader: str, session: ClientSession | None = None) -> ShareLayout:
    """As `load`, also when something is wrong: see ShareLayout.fault."""
    with time_limit():
        lease = collections.leases.find_one({"_id": reader}, {"wanted": 1, "plans": 1}, session=session) or {}
        known = collections.cursors.find(documents_of(reader), batch_size=_ALL, session=session)
        found = {each["_id"]: each for each in known}
    return _Survey(reader, collections.cursors.full_name, found).layout(lease, collections.leases.full_name)


@outside_bound_session
def surveys(collections: Collections) -> dict[str, ShareLayout]:
    """The layout of every durable reader that there is anything of, by id and in order, as `survey`."""
    found: dict[str, dict[str, Document]] = {}
    with time_limit():
        leases = {each["_id"]: each for each in collections.leases.find({}, {"wanted": 1, "plans": 1})}
        # In one reply, so that each reader's are of one moment.
        for each in collections.cursors.find(sort=[("_id", 1)], batch_size=_MANY):
            if isinstance(each["_id"], str):
                found.setdefault(reader_of(each["_id"]), {})[each["_id"]] = each
    where = collections.cursors.full_name, collections.leases.full_name
    return {id: _Survey(id, where[0], found[id]).layout(leases.get(id, {}), where[1]) for id in sorted(found)}


class _Survey:
    """What the documents of one reader come to."""

    def __init__(self, reader: str, collection: str, found: dict[str, Document]) -> None:
        self._reader = reader
        self._collection = collection
        self._found = found
        self._faults: list[CursorMismatch] = []

    def layout(self, lease: Document, leases: str) -> ShareLayout:
        wanted = whole(lease.get("wanted"), 1, MOST_SHARES)
        if "wanted" in lease and wanted is None:
            self._faults.append(
                CursorMismatch(
                    f"the field 'wanted' of {self._reader!r} in {leases} is {lease['wanted']!r:.100}, which "
                    f"is no number of shares: `{shares_command(self._reader, 'NUMBER')}` writes it anew"
                )
            )
        home = self._parsed(self._reader)
        count = None if home is None else home.shares
        names = [] if count is None else [share.name(self._reader) for share in shares(count)]
        cursors = [home] if count == 1 else [self._of(each, count) for each in names]
        strays = [id for id, each in self._found.items() if id not in names and "seq" in each and id != self._reader]
        if strays and home is None and not self._faults:
            kind = self._reader.partition(":")[0]
            self._faults.append(
                CursorMismatch(
                    f"{self._collection} has no document {self._reader!r} any more, which says how "
                    f"many shares the {kind} has; but it has {', '.join(map(repr, sorted(strays)))}. "
                    f"`{reset_command(self._reader)}` makes it anew, and `{forget_command(self._reader)}` removes the "
                    "rest"
                )
            )
        delivered = dict.fromkeys(layer for each in cursors if each is not None for layer in each.delivered)
        return ShareLayout(
            count,
            wanted,
            tuple(None if each is None else each.position for each in cursors),
            tuple(delivered),
            tuple(strays),
            self._found.get(self._reader, {}).get("paused") is True,
            lease.get("plans"),
            self._faults[0] if self._faults else None,
        )

    def _parsed(self, id: str) -> CursorDocument | None:
        try:
            return parse(self._found[id], self._collection) if id in self._found else None
        except CursorMismatch as fault:
            self._faults.append(fault)
            return None

    def _of(self, id: str, count: int | None) -> CursorDocument | None:
        """The cursor of a share. One of another number of shares is none."""
        found = self._parsed(id)
        return found if found is not None and found.shares == count and found.position is not None else None


@outside_bound_session
def request_shares(collections: Collections, reader: str, count: int) -> bool:
    """Asks who works for a reader to change its number of shares. They do when they next look, or start.

    Returns False when no reader of this id has begun. Raises CursorInUse when the number was changed meanwhile, by
    somebody who was quicker; pymongo's errors.
    """
    layout = survey(collections, reader)
    if layout.shares is None:
        return False
    _change(collections, reader, layout, {"$set": {"wanted": Int64(count)}})
    return True


@outside_bound_session
def cancel_request(collections: Collections, reader: str, layout: ShareLayout) -> None:
    """Takes back what is wanted, as `layout` was read. Raises as `request_shares`."""
    _change(collections, reader, layout, {"$unset": {"wanted": 1}})


@outside_bound_session
def set_shares(collections: Collections, reader: str, count: int) -> int | None:
    """Requests a number of shares, or, when there are so many already, takes back what was requested before.

    Returns how many there are; None when no reader of this id has begun. Raises as `request_shares`, CursorMismatch
    when what says how many there are is no document of a reader, InvalidArchive for several shares of
    an archive, and InvalidArgument for several of a mirror.
    """
    if reader.startswith("archive:") and count != 1:
        raise InvalidArchive(f"{described(reader)} cannot have {count} shares: an archive has one writer")
    if reader.startswith("mirror:") and count != 1:
        raise InvalidArgument(f"{described(reader)} cannot have {count} shares: a mirror has one writer")
    layout = survey(collections, reader)
    if layout.shares is None:
        if layout.fault is not None:
            raise layout.fault
        return None
    if count != layout.shares:
        request_shares(collections, reader, count)
    elif layout.wanted is not None or layout.fault is not None:
        cancel_request(collections, reader, layout)
    return layout.shares


def _change(collections: Collections, reader: str, layout: ShareLayout, change: Document) -> None:
    """Only while the layout is what it was when it was read: each write of it counts in the lease."""
    with time_limit():
        changed = collections.leases.update_one({"_id": reader, "plans": layout.changes}, change)
    if not changed.matched_count:
        raise CursorInUse(
            f"the shares of {described(reader)} have been changed since this looked at them: give the command again"
        )
