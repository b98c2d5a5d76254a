"""Patience: how long a call may take, while a majority of the servers is slow to confirm what is written.

A secondary that lags, with another one down, delays each majority write by as much as it lags. The server answers all
the same, so it is slow and not gone: it is waited for longer, and so that nobody takes a lease over meanwhile, longer
than a primary that does not answer.
"""

from __future__ import annotations

import threading
import time

CALL_SECONDS = 5.0
MOST_SECONDS = 60.0
_WRITES = 6
"""How many times as long as the last confirmed write a call may take: it may hold two, and the next may be slower."""
_KEPT_SECONDS = 60.0

_lock = threading.Lock()
_seconds = CALL_SECONDS
_since = 0.0


def seconds() -> float:
    """How long a call may take now. Thread-safe."""
    return _seconds


def took(write: float) -> None:
    """Notes how long a write took until a majority had it. Thread-safe; one for all clients of the process, so a quick
    write takes back only what is a minute old."""
    _set(_WRITES * write)


def double() -> bool:
    """Notes that a write was not confirmed within `seconds`, by a server that answers; False when that is all."""
    if _seconds >= MOST_SECONDS:
        return False
    _set(2 * _seconds)
    return True


def _set(wanted: float) -> None:
    global _seconds, _since
    wanted, now = min(MOST_SECONDS, max(CALL_SECONDS, wanted)), time.monotonic()
    with _lock:
        if wanted >= _seconds or now - _since >= _KEPT_SECONDS:
            _seconds, _since = wanted, now
