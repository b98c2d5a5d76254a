"""How far an unfinished replay is. It is no cursor: a cursor would hold the log, and so the relays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bson import Int64
from pymongo.collection import Collection

from outbox.errors import LeaseLost
from outbox.log.position import Position
from outbox.mongo.calls import outside_bound_session, time_limit
from outbox.mongo.codec import Document
from outbox.mongo.lease import Lease


@dataclass(frozen=True)
class Place:
    """Holds where a replay is. asked: what it was asked for. reached: the last record that arrived, with everything
    before it. first, last: the seqs of its range. is_done: it has come to its end."""

    asked: dict[str, Any]
    reached: Position
    first: int
    last: int
    is_done: bool = False


class Places:
    """Stores a replay's place, as the field `replay` of its lease in NAME.leases. Thread-safe; raises pymongo's errors.

    Only who holds the lease writes there.
    """

    def __init__(self, leases: Collection[Document], lease: Lease) -> None:
        self._leases = leases
        self._lease = lease

    @outside_bound_session
    def load(self) -> Place | None:
        """Returns the place of the last replay; None when there was none."""
        with time_limit():
            found = (self._leases.find_one({"_id": self._lease.role}, {"replay": 1}) or {}).get("replay")
        if found is None:
            return None
        reached = int(found["seq"]), found["created"], found["id"]
        return Place(found["asked"], reached, int(found["first"]), int(found["last"]), found["done"])

    def begin(self, place: Place) -> None:
        """Stores a new one. Raises LeaseLost."""
        fields = {"asked": place.asked, "first": Int64(place.first), "last": Int64(place.last), "done": place.is_done}
        self._set({"replay": {**fields, **_of(place.reached)}})

    def save(self, reached: Position) -> None:
        """Stores how far it has come. Raises LeaseLost."""
        self._set({f"replay.{name}": value for name, value in _of(reached).items()})

    def done(self) -> None:
        """Stores that it has come to its end: the same command begins anew. Raises LeaseLost."""
        self._set({"replay.done": True})

    @outside_bound_session
    def _set(self, values: Document) -> None:
        held = {"_id": self._lease.role, "owner": self._lease.owner, "fence": Int64(self._lease.fence)}
        with time_limit():
            written = self._leases.update_one(held, {"$set": values})
        if not written.matched_count:
            raise LeaseLost(f"the place of {self._lease.role!r} was not saved: another has taken over")


def _of(position: Position) -> Document:
    seq, created, id = position
    return {"seq": Int64(seq), "created": created, "id": id}
