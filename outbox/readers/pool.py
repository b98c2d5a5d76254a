"""Counts the connections of a client's pool that are kept: one for each outbox that is read."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from weakref import WeakKeyDictionary

from pymongo import MongoClient

from outbox.errors import PoolTooSmall

_lock = threading.Lock()
_held: WeakKeyDictionary[Any, int] = WeakKeyDictionary()
"""By the client's options: two clients of the same servers compare as equal."""


@contextmanager
def connection_held(client: MongoClient[Any], name: str) -> Iterator[None]:
    """Keeps one connection of the client for the outbox `name` inside the `with`: its tail waits for the log on it.

    Raises PoolTooSmall when no connection would be left: all else would wait for ever, with an error every 5 s.
    """
    options = client.options
    most = options.pool_options.max_pool_size  # None: no limit
    with _lock:
        held = _held.get(options, 0) + 1
        if most is not None and held >= most:
            raise PoolTooSmall(
                f"maxPoolSize={most} is too small to read {name}: each outbox that is read or sequenced in a process "
                f"keeps one connection of its client, and {held} would leave none for all else. Give the client a "
                f"maxPoolSize of {held + 1} or more, better of {3 * held}; putting needs no more than one"
            )
        _held[options] = held
    try:
        yield
    finally:
        with _lock:
            _held[options] -= 1
