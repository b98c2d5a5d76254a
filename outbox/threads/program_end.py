"""The end of the program: what works in the background is told, so that it can give back what it holds."""

from __future__ import annotations

import atexit
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

SECONDS = 5.0
"""How long a program that ends waits for all of it together."""
CLOSED_SECONDS = 1.0
"""A program that closes its client as the last thing it does has ended by then, and nobody need be told."""


class _Inside:
    """Who is to be told, and what each sets when it is done."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tell: dict[threading.Event, tuple[Callable[[], None], bool]] = {}

    def add(self, done: threading.Event, tell: Callable[[], None], wait: bool) -> None:
        with self._lock:
            self._tell[done] = tell, wait
            # Before whatever the program registered earlier, which may close the client.
            atexit.unregister(_end)
            atexit.register(_end)

    def remove(self, done: threading.Event) -> None:
        with self._lock:
            self._tell.pop(done, None)

    def end(self) -> None:
        with self._lock:
            telling = dict(self._tell)
        for tell, _ in telling.values():
            tell()
        until = time.monotonic() + SECONDS
        for done, (_, waits) in telling.items():
            if waits:
                done.wait(max(0.0, until - time.monotonic()))


_inside = _Inside()


def _end() -> None:
    _inside.end()


def _forget() -> None:
    global _inside  # noqa: PLW0603  # a forked process has none of the threads, and perhaps a lock that nobody opens
    _inside = _Inside()


os.register_at_fork(after_in_child=_forget)


@contextmanager
def told_at_the_end(tell: Callable[[], None], *, wait: bool = True) -> Iterator[None]:
    """While the interpreter ends, `tell` is called once, and the end of the `with` is waited for, SECONDS at most.

    That is after all threads but daemons have ended, and before these are stopped wherever they are. A program that is
    killed, or ends in `os._exit`, tells nobody. wait: False where the program's own code may be at work.
    """
    done, home = threading.Event(), _inside
    home.add(done, tell, wait)
    try:
        yield
    finally:
        home.remove(done)
        done.set()
