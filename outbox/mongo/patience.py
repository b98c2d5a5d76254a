"""Knows how long a call may take, while a majority of the servers is slow to confirm writes.

A secondary that lags, with another one down, delays each majority write by as much as it lags. The primary still
answers, so it is slow and not gone. Calls then wait longer than for a primary that does not answer, so that nobody
takes a lease over meanwhile.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from datetime import datetime

logger = logging.getLogger("outbox")

LATE = "a majority of the servers is slow to confirm what is written (is one down, and another far behind?)"
CALL_SECONDS = 5.0
LEASE_SECONDS = 3.0
"""The lease time, where nothing else is said."""
MOST_SECONDS = 60.0
_WRITES = 6
"""A call may take so many times as long as the last confirmed write: it may hold two, and the next may be slower."""
_KEPT_SECONDS = 60.0

_MOST_LEASE_SECONDS = 120.0  # that slow beats can lead to
_BEATS = 6  # a slow beat takes at most a sixth of the lease time; by calculation 0.46 of it, after a third, would do

_lock = threading.Lock()
_seconds = CALL_SECONDS
_since = 0.0


def seconds() -> float:
    """Returns how long a call may take now. Thread-safe."""
    return _seconds


def took(write: float) -> None:
    """Notes how long a write took until a majority had it. Thread-safe. All clients of the process share it, so a quick
    write lowers it only after a minute."""
    _set(_WRITES * write)


def wanted_seconds(asked: float, took: float) -> float:
    """Returns the lease time to have when the last beat took so long until a majority had confirmed it."""
    return max(asked, min(_MOST_LEASE_SECONDS, float(math.ceil(_BEATS * took))))


def is_strained() -> bool:
    """Tells whether a majority is slow, or was within the last minute. Thread-safe."""
    return _seconds > CALL_SECONDS


def double() -> bool:
    """Notes that a server that answers has not confirmed a write within `seconds`; False when the most is reached."""
    if _seconds >= MOST_SECONDS:
        return False
    _set(2 * _seconds)
    return True


def tell(role: str, outbox: str, since: datetime) -> None:
    """Warns that the lease of a role waits for a majority, since then, and for how long it waits next."""
    said = "the lease %r: since %s UTC %s; nothing is done under it meanwhile; waiting %g s from now on"
    logger.warning(said, role, f"{since:%H:%M:%S}", LATE, _seconds, extra={"outbox": outbox, "reader": role})


def tell_longer(role: str, seconds: float, took: float) -> None:
    """Warns that the lease of a role lasts longer now, for a beat took so long."""
    said = "the lease %r is %g s now, for a beat took %.1f s: %s"
    logger.warning(said, role, seconds, took, LATE, extra={"reader": role})


def _set(wanted: float) -> None:
    global _seconds, _since
    wanted, now = min(MOST_SECONDS, max(CALL_SECONDS, wanted)), time.monotonic()
    with _lock:
        if wanted >= _seconds or now - _since >= _KEPT_SECONDS:
            _seconds, _since = wanted, now
