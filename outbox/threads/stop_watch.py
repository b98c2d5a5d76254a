"""Wakes who waits for something else when there is a reason to end: one thread of the process looks for all of them."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from outbox.clock import SystemClock, in_step

logger = logging.getLogger("outbox")

LOOK_SECONDS = 0.2
"""Sixty threads that each looked four times a second took 2 % of a core; one for all takes a fraction (measured)."""
_CLOCK = SystemClock()

Reason = Callable[[], bool]


class _Watch:
    """Whom to wake, and when. Thread-safe; its thread lives while there are any."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._watched: dict[object, tuple[Reason, Reason | None, Callable[[], None]]] = {}
        self._emptied = threading.Event()
        self._thread: threading.Thread | None = None

    def add(self, key: object, ends: Reason, wake: Callable[[], None], seldom: Reason | None) -> None:
        with self._lock:
            if self._thread is None:
                self._emptied.clear()
                thread = threading.Thread(target=self._look, name="outbox-stop-watch", daemon=True)
                thread.start()
                self._thread = thread
            self._watched[key] = ends, seldom, wake

    def remove(self, key: object) -> None:
        with self._lock:
            self._watched.pop(key, None)
            if self._watched or self._thread is None:
                return
            self._emptied.set()
            ending = self._thread
        if ending is not threading.current_thread():
            ending.join(LOOK_SECONDS)  # who closes an outbox leaves no thread behind

    def _look(self) -> None:
        second = in_step(_CLOCK.monotonic())
        while True:
            # At full seconds, too, when others wake: see in_step.
            self._emptied.wait(LOOK_SECONDS - _CLOCK.monotonic() % LOOK_SECONDS)
            before, second = second, in_step(_CLOCK.monotonic())
            with self._lock:
                if not self._watched:
                    self._thread = None
                    return
                self._emptied.clear()
                watched = list(self._watched.values())
            for ends, seldom, wake in watched:
                try:
                    if ends() or (seldom is not None and second != before and seldom()):
                        wake()
                except Exception:
                    logger.exception("a thread that is to end could not be woken: it looks for itself in some seconds")
            del watched


_watch = _Watch()


@contextmanager
def watching(ends: Reason, wake: Callable[[], None], seldom: Reason | None = None) -> Iterator[None]:
    """Calls `wake` on another thread as soon as `ends()` is true, within LOOK_SECONDS, and again until the `with` ends.

    seldom: another reason to wake, looked at once a second, for it costs more: five times a second, for a hundred that
    wait, such reasons took 0.7 % of a core (measured).

    All must return at once. A thread can wait for one thing only: who waits for messages, and for a stop as well,
    would have to wake several times a second to see the latter. Raises RuntimeError when no thread can be had.
    """
    home, key = _watch, object()
    home.add(key, ends, wake, seldom)
    try:
        yield
    finally:
        home.remove(key)


def _forget() -> None:
    global _watch  # noqa: PLW0603  # a forked process has none of the threads, and perhaps a lock that nobody opens
    _watch = _Watch()


os.register_at_fork(after_in_child=_forget)
