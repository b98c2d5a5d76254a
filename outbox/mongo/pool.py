"""The client's pool of connections: each outbox that is read keeps one of them for itself."""

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
"""By the client's options, as two clients of the same servers count as equal."""


@contextmanager
def connection_held(client: MongoClient[Any], name: str) -> Iterator[None]:
    """Inside, one connection of the client's is held for the outbox `name`: its tail waits in it for the log to grow.

    Raises PoolTooSmall when none would be left for all else: that would wait for ever, an error every 5 s.
    """
    options = client.options
    most = options.pool_options.max_pool_size  # None: as many as are needed
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
