"""The members: which processes share a durable reader's work, and how much of it each may have."""

from __future__ import annotations

import logging
from typing import Any, NamedTuple

from bson import Int64
from pymongo import ReturnDocument
from pymongo.collection import Collection
from pymongo.errors import PyMongoError

from outbox.clock import Clock
from outbox.mongo.calls import outside_bound_session, time_limit
from outbox.mongo.codec import Document
from outbox.mongo.lease import RELEASE_SECONDS, seconds_of
from outbox.mongo.patience import wanted_seconds
from outbox.mongo.process_identity import is_gone, this_process
from outbox.mongo.server_errors import short_message

logger = logging.getLogger("outbox")


class _Member(NamedTuple):
    beat: int
    since: float
    """When this beat was first seen."""
    seconds: float
    """For how long it may stand still: what the member itself asks for."""
    process: object
    """See outbox.mongo.process_identity; None of an older version's."""


class Members:
    """This process among those that work on the shares of one durable reader. Not thread-safe; close it.

    Raises pymongo's errors.

    Each adds 1 to its own count in the reader's lease, every third of the lease time; whose count has stood still for
    the lease time that it has written with it, on one's own monotonic clock, is gone: no clocks are compared. It asks
    for more while a majority of the servers is slow, as a lease's holder does. One of the same host whose process has
    ended is gone at once. It is advice only, to have the shares spread evenly: processes may see it differently for a
    while, and only the lease of a share decides who works on it.
    """

    def __init__(self, leases: Collection[Document], role: str, owner: str, seconds: float, clock: Clock) -> None:
        self._leases = leases
        self._role = role
        self._owner = owner
        self._own = owner.rpartition(":")[2]  # a name that can stand in a path
        self._seconds = seconds
        self._clock = clock
        self._beaten = float("-inf")
        self._took = 0.0
        self._process = this_process()
        self._seen: dict[str, _Member] = {}

    @outside_bound_session
    def beat(self) -> bool:
        """Shows that this process lives and looks who else does, if that is due; True then."""
        now = self._clock.monotonic()
        if now - self._beaten < self._seconds / 3:
            return False
        with time_limit():
            found = self._leases.find_one_and_update(
                {"_id": self._role},
                {
                    "$inc": {f"members.{self._own}.beat": Int64(1)},
                    "$set": {
                        f"members.{self._own}.owner": self._owner,
                        f"members.{self._own}.process": self._process,
                        f"members.{self._own}.seconds": wanted_seconds(self._seconds, self._took),
                    },
                    "$setOnInsert": {"owner": None, "beat": Int64(0), "fence": Int64(0), "renewed": None},
                },
                upsert=True,  # somebody has removed the leases: who works on a share founds its own again
                return_document=ReturnDocument.AFTER,
            )
        self._beaten, self._took = now, self._clock.monotonic() - now
        members: dict[str, Any] = {} if found is None else found["members"]
        self._seen = {name: self._noted(name, each, now) for name, each in members.items()}
        for name in self._seen.keys() - self._alive(now):
            self._remove(name, members[name]["beat"])
        return True

    def _noted(self, name: str, member: Document, now: float) -> _Member:
        seen = self._seen.get(name)
        beat = member["beat"]
        return (
            seen
            if seen is not None and seen.beat == beat
            else _Member(beat, now, seconds_of(member, self._seconds), member.get("process"))
        )

    def _alive(self, now: float) -> set[str]:
        alive = {name for name, each in self._seen.items() if now - each.since < each.seconds}
        return {name for name in alive if not is_gone(self._seen[name].process)} | {self._own}

    def _remove(self, name: str, beat: int) -> None:
        """Unless it has beaten since; one that was only slow comes back with its next beat."""
        with time_limit():
            self._leases.update_one(
                {"_id": self._role, f"members.{name}.beat": beat}, {"$unset": {f"members.{name}": 1}}
            )

    def quota(self, count: int) -> int:
        """How many of `count` shares this process may have. Those of all differ by 1 at most; their sum is `count`."""
        alive = sorted(self._alive(self._clock.monotonic()))
        return count // len(alive) + (alive.index(self._own) < count % len(alive))

    @outside_bound_session
    def close(self) -> None:
        """Leaves, so that the others need not wait until it is seen."""
        try:
            with time_limit(RELEASE_SECONDS):
                self._leases.update_one({"_id": self._role}, {"$unset": {f"members.{self._own}": 1}})
        except PyMongoError as error:  # it is seen then
            about = {"outbox": self._leases.full_name.removesuffix(".leases"), "reader": self._role}
            logger.warning("%s: a member could not leave: %s", self._role, short_message(error), extra=about)
