"""Watches the outboxes of a process for the page: rarely by itself, more often while somebody looks at it."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Self

from outbox.clock import Clock, SystemClock
from relay.monitoring.page.watched import WatchedOutbox
from relay.monitoring.probes import Liveness, Probed, unready

logger = logging.getLogger("relay")

ALONE_SECONDS = 30.0
"""Between two looks while nobody watches: a relay at rest shall stay at rest."""
WATCHED_SECONDS = 2.5
_SHARE = 4
"""A look that takes long, of a large or busy database, is followed by a rest of so many times as long."""
MOST_VIEWERS = 16
"""Each holds a connection; the others are for probes and scrapes. One more has the place of who watched longest."""
_END_SECONDS = 5.0

Wake = Callable[[], object]


class Viewer:
    """Watches, and is woken after each look, on the thread that looks."""

    def __init__(self, wake: Wake) -> None:
        self.wake = wake
        self.must_go = False
        """Whether its place is another's by now."""


class Watch:
    """Looks at the outboxes of relays on a thread of its own inside the `with`. Thread-safe.

    unreachable: see relay.monitoring.probes.unready.
    """

    def __init__(
        self,
        relays: Sequence[Probed],
        liveness: Liveness,
        unreachable: Callable[[float], str],
        clock: Clock | None = None,
    ) -> None:
        names = {relay.outbox.collections.log.full_name: relay.outbox.collections for relay in relays}
        self.outboxes = {
            name: WatchedOutbox(found, [each for each in relays if each.outbox.collections is found])
            for name, found in names.items()
        }
        self._relays = relays
        self._liveness = liveness
        self._unreachable = unreachable
        self._clock: Clock = SystemClock() if clock is None else clock
        self._lock = threading.Lock()
        self._viewers: list[Viewer] = []
        self._come = threading.Event()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="relay-page", daemon=True)
        self.told: tuple[int, str] = (0, "")
        """What was seen last while somebody watched, as JSON, and a number that is another after each look."""

    @property
    def is_over(self) -> bool:
        """Tells whether the `with` has ended, and with it what viewers wait for."""
        return self._stop.is_set()

    @contextmanager
    def viewed(self, wake: Wake) -> Iterator[Viewer]:
        """Counts a viewer inside the `with`, and calls `wake` after each look, on the thread that looks.

        When there are too many, whoever has watched longest must go, and not who comes: one that reads nothing of what
        it is sent would keep its place else, and cannot be told from the others for long.
        """
        viewer = Viewer(wake)
        with self._lock:
            self._viewers.append(viewer)
            leaving = self._viewers[:-MOST_VIEWERS]
            del self._viewers[:-MOST_VIEWERS]
            for each in leaving:
                each.must_go = True
        for each in leaving:
            each.wake()
        self._come.set()
        try:
            yield viewer
        finally:
            with self._lock:
                if not viewer.must_go:
                    self._viewers.remove(viewer)

    def look(self) -> None:
        """Looks at all outboxes; wholly, and at what is not ready, while somebody watches. For one thread."""
        viewers = self._watching()
        for outbox in self.outboxes.values():
            outbox.look(time.time(), whole=bool(viewers))
        if viewers:
            self.told = self.told[0] + 1, json.dumps(self._everything())
            for viewer in viewers:
                viewer.wake()

    def _everything(self) -> dict[str, Any]:
        dead = self._liveness.dead()
        return {
            "at": time.time(),
            "unready": ([] if dead is None else [dead]) + unready(self._relays, self._unreachable),
            "outboxes": [outbox.told() for outbox in self.outboxes.values()],
        }

    def _watching(self) -> list[Viewer]:
        with self._lock:
            return list(self._viewers)

    def _run(self) -> None:
        while not self._stop.is_set():
            began = self._clock.monotonic()
            self._come.clear()
            try:
                self.look()
            except Exception:  # a defect must not end the page, which says of when its numbers are
                logger.exception("the page could not look at the outboxes")
            took = self._clock.monotonic() - began
            if self._watching():
                self._clock.wait(max(WATCHED_SECONDS, _SHARE * took), self._stop)
            else:
                self._clock.wait(ALONE_SECONDS, self._come)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._come.set()
        for viewer in self._watching():
            viewer.wake()
        self._thread.join(_END_SECONDS)
