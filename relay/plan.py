"""The plan: how many shares a relay has, and where each of them is, as NAME.cursors and NAME.leases say."""

from __future__ import annotations

import re
from typing import NamedTuple

from bson import Int64
from pymongo.client_session import ClientSession

from outbox.collections import READERS, Collections, Document, apart, call
from relay.encoding import Position
from relay.share import Layer, shares


class Plan(NamedTuple):
    """How a relay is shared out."""

    shares: int | None
    """How many shares there are; None before the first start."""
    wanted: int | None
    """How many there shall be; None when nobody wants to change that."""
    positions: tuple[Position | None, ...]
    """How far each share is, in order; None for a cursor that is missing."""
    delivered: tuple[Layer, ...]
    """See Share.delivered."""

    @property
    def slowest(self) -> Position | None:
        """The position of the share that is furthest behind."""
        return min(filter(None, self.positions), key=lambda position: position[0], default=None)

    @property
    def target(self) -> int | None:
        """How many shares there will be."""
        return self.shares if self.wanted is None else self.wanted


def role(name: str) -> str:
    """The relay `name` as its lease and its cursor are called; of several shares, as what they have in common is."""
    return f"relay:{name}"


def cursors_of(name: str) -> Document:
    """Finds the cursors of all the shares of a relay."""
    return {"_id": {"$regex": f"^{re.escape(role(name))}(/[0-9]+)?$"}, **READERS}


@apart
def load(collections: Collections, name: str, session: ClientSession | None = None) -> Plan:
    """The plan of the relay `name`. Raises pymongo's errors.

    With one share, the default, the document `relay:NAME` is its cursor; with more it says how many there are.
    """
    with call():
        lease = collections.leases.find_one({"_id": role(name)}, {"wanted": 1}, session=session)
        home = collections.cursors.find_one({"_id": role(name)}, session=session)
        found = {each["_id"]: each for each in collections.cursors.find(cursors_of(name), session=session)}
    wanted = None if lease is None else lease.get("wanted")
    if home is None:
        return Plan(None, wanted, (), ())
    count = int(home.get("shares", 1))
    cursors = [found.get(role(each.name(name))) for each in shares(count)]
    known = dict.fromkeys(layer for each in cursors if each is not None for layer in layers(each))
    return Plan(count, wanted, tuple(None if each is None else position(each) for each in cursors), tuple(known))


def position(cursor: Document) -> Position:
    """What a cursor's document says."""
    return cursor["seq"], cursor["created"], cursor["id"]


def layers(cursor: Document) -> tuple[Layer, ...]:
    """See Share.delivered."""
    return tuple(tuple(layer) for layer in cursor.get("delivered", ()))


@apart
def wish(collections: Collections, name: str, count: int) -> bool:
    """Asks the relays to change the number of shares. They do when they next look, or start.

    Returns False when no relay of this name has ever started. Raises pymongo's errors.
    """
    with call():
        wanted = collections.leases.update_one({"_id": role(name)}, {"$set": {"wanted": Int64(count)}})
    return wanted.matched_count > 0


@apart
def call_off(collections: Collections, name: str, count: int) -> None:
    """Takes the wish for `count` shares back, if it is still that. Raises pymongo's errors."""
    with call():
        collections.leases.update_one({"_id": role(name), "wanted": Int64(count)}, {"$unset": {"wanted": 1}})
