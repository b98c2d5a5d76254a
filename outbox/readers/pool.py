"""Shares the connections of a client's pool among its outboxes: who reads waits on one, or looks now and then."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from weakref import WeakKeyDictionary

from pymongo import MongoClient

from outbox.errors import PoolTooSmall

logger = logging.getLogger("outbox")

LOOK_SECONDS = 0.5
"""Between two looks of an outbox that has no connection to wait on."""
_lock = threading.Lock()
_held: WeakKeyDictionary[Any, int] = WeakKeyDictionary()
"""By the client's options: two clients of the same servers compare as equal."""


@contextmanager
def connection_held(client: MongoClient[Any], name: str) -> Iterator[float]:
    """Keeps a connection of the client for the outbox `name` inside the `with`: on it the server is asked to wait.

    At most half of the pool is kept: the other half is for all else. Gives the seconds to pause between two questions:
    0 while it has one, LOOK_SECONDS when there is none left, which is logged. Raises PoolTooSmall when the pool has but
    one: everything would wait for everything else.
    """
    most = client.options.pool_options.max_pool_size  # 0 or None: no limit
    if most == 1:
        raise PoolTooSmall(
            f"maxPoolSize=1 is too small to read {name}: an outbox that is read or sequenced in a process keeps a "
            "connection of its client, and none would be left for all else. Give the client a maxPoolSize of 2 or "
            "more, better two for each outbox; putting needs no more than one"
        )
    options = client.options
    with _lock:
        held = _held.get(options, 0)
        waits = not most or held < most // 2
        _held[options] = held + waits
    if not waits:
        logger.warning(
            "%s is looked at every %g s, for maxPoolSize=%d leaves it no connection to wait on: what comes is seen "
            "that much later. Give the client a maxPoolSize of two for each outbox that is read or sequenced",
            name,
            LOOK_SECONDS,
            most,
            extra={"outbox": name},
        )
    try:
        yield 0.0 if waits else LOOK_SECONDS
    finally:
        with _lock:
            _held[options] -= waits
