"""One outbox that the page watches: what was seen of it last, and what is kept."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import pymongo
from pymongo.errors import PyMongoError

from outbox.errors import OutboxError
from outbox.log.reader_id import relay_id
from outbox.mongo.collections import Collections
from outbox.mongo.server_errors import short_message
from outbox.reader_status import ReaderStatus
from relay.monitoring.page.history import FINE_SECONDS, POINTS, History
from relay.monitoring.page.look import Look, look
from relay.monitoring.page.notices import notices
from relay.monitoring.probes import Probed

ASK_SECONDS = 4.0


class WatchedOutbox:
    """Watches one outbox. `look` is for one thread, all else for any."""

    def __init__(self, collections: Collections, relays: Sequence[Probed]) -> None:
        """relays: those of this process."""
        self.collections = collections
        self._relays = relays
        self._history = History()
        self._lock = threading.Lock()
        self._seen: Look | None = None
        self._error: str | None = None

    def look(self, at: float, *, whole: bool) -> None:
        """Looks at it now, ASK_SECONDS at most. What cannot be seen leaves a gap."""
        seen, error = None, None
        try:
            with pymongo.timeout(ASK_SECONDS):
                seen = look(self.collections, at, whole=whole)
        except (PyMongoError, OutboxError) as failure:
            error = short_message(failure)
        with self._lock:
            self._error = error
            if seen is None:
                self._history.gap(at)
                return
            self._history.add(seen.sample([relay.tally for relay in self._relays]))
            if whole:
                self._seen = seen

    def columns(self, since: float, now: float) -> dict[str, list[float | None]]:
        """Returns its history since a moment: finely when that is an hour ago at most."""
        with self._lock:
            ring = self._history.fine if now - since <= FINE_SECONDS * POINTS else self._history.coarse
            return ring.columns(since)

    def told(self) -> dict[str, Any]:
        """Returns what was seen last, as JSON has it; the page says when that was."""
        with self._lock:
            seen, error, point = self._seen, self._error, self._history.fine.newest()
        return {
            "name": self.collections.log.full_name,
            "relays": [{"id": relay_id(each.name), "state": each.tally.state} for each in self._relays],
            "error": error,
            "point": point,
            "seen": None if seen is None else _told(seen),
            "notices": [] if seen is None else [notice._asdict() for notice in notices(seen)],
        }


def _told(seen: Look) -> dict[str, Any]:
    now = seen.status
    names = ("head", "oldest", "staging", "staging_seconds", "capacity", "size", "dead", "parked")
    return {
        "at": seen.at,
        **{name: getattr(now, name) for name in names},
        "sequencer": now.holder,
        "readers": [_reader(each, seen) for each in seen.readers],
        "leases": list(seen.leases),
    }


def _reader(reader: ReaderStatus, seen: Look) -> dict[str, Any]:
    return {
        **asdict(reader),
        "waits": seen.waiting.get(reader.id, 0.0),
        "headroom": seen.headroom.get(reader.id),
        "headroom_seconds": seen.headroom_seconds.get(reader.id),
    }
