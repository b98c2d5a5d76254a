"""Gathers items into lists, by number and by age, and loses none between the source's thread and the timer's."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, TypeVar

from reactivex import Observable
from reactivex.abc import DisposableBase, ObserverBase, SchedulerBase
from reactivex.disposable import Disposable, SingleAssignmentDisposable

from outbox.arguments import check_count, check_seconds
from outbox.clock import Clock, SystemClock
from outbox.events import CaughtUp
from outbox.mongo.calls import outside_bound_session
from outbox.operators.marks import passing_marks
from outbox.readers.observable import give_error

T = TypeVar("T")

_LOOK_SECONDS = 1.0  # a timer whose batch was full before its time ends at its next look, if no other one is open


def batch(max_count: int, max_seconds: float) -> Callable[[Observable[T]], Observable[list[T]]]:
    """Gathers items into lists of at most `max_count`, none of them kept longer than `max_seconds`.

    A list is passed on when it is full, on the source's thread, or when its oldest item is `max_seconds` old, on a
    timer's; what is left comes at completion, and before an error. It is never empty. All in order, one list at a time:
    while a subscriber works on one, the source waits, so that no more than one list is gathered beside it.

    A mark of `caught_up` closes the list, and comes behind it. What a subscriber raises goes to `on_error`, on either
    thread. A disposed subscription drops what it has gathered. Raises InvalidArgument.
    """
    check_count("max_count", max_count)
    check_seconds("max_seconds", max_seconds)

    def batched(source: Observable[Any]) -> Observable[Any]:
        def subscribe(observer: ObserverBase[Any], scheduler: SchedulerBase | None = None) -> DisposableBase:
            upstream = SingleAssignmentDisposable()
            batches = Batches(observer, upstream, max_count, max_seconds, SystemClock())
            upstream.disposable = source.subscribe(
                batches.on_next, batches.on_error, batches.on_completed, scheduler=scheduler
            )
            return Disposable(batches.dispose)

        return Observable(subscribe)

    return passing_marks(batched)


class Batches:
    """One subscription. Thread-safe."""

    def __init__(
        self,
        observer: ObserverBase[Any],
        upstream: DisposableBase,
        max_count: int,
        max_seconds: float,
        clock: Clock,
    ) -> None:
        self._observer = observer
        self._upstream = upstream
        self._max_count = max_count
        self._max_seconds = max_seconds
        self._clock = clock
        # Held while the subscriber is called, too: what comes meanwhile waits, and lists come one at a time, in order.
        self._lock = threading.RLock()
        self._gathered: list[Any] = []
        self._due = 0.0
        self._has_timer = False
        self._is_deaf = False  # while the subscriber is called, and after it has raised
        self._over = threading.Event()

    def on_next(self, item: Any) -> None:
        with self._lock:
            if self._over.is_set():
                return
            if isinstance(item, CaughtUp):
                self._emit()
                self._give(item)
                return
            self._gathered.append(item)
            if len(self._gathered) >= self._max_count:
                self._emit()
                return
            if len(self._gathered) == 1:
                self._due = self._clock.monotonic() + self._max_seconds
            self._time()

    def _emit(self) -> None:
        if self._gathered:
            gathered, self._gathered = self._gathered, []
            self._give(gathered)

    def _give(self, item: Any) -> None:
        self._is_deaf = True
        self._observer.on_next(item)
        self._is_deaf = False

    def _time(self) -> None:
        if not self._has_timer:
            timer = threading.Thread(
                target=outside_bound_session(self._run_timer), name="outbox-batch-timer", daemon=True
            )
            timer.start()
            self._has_timer = True

    def _run_timer(self) -> None:
        while (seconds := self._step()) is not None:
            self._clock.wait(min(seconds, _LOOK_SECONDS), self._over)

    def _step(self) -> float | None:
        """Passes on what is due; returns the seconds until something is, None when there is nothing to wait for."""
        with self._lock:
            if self._gathered and not self._over.is_set() and self._due <= self._clock.monotonic():
                try:
                    self._emit()
                except BaseException as error:  # noqa: BLE001  # on_error is told, as of whatever a subscriber raises
                    self._over.set()
                    self._upstream.dispose()
                    give_error(self._observer, error, "batch")
            self._has_timer = bool(self._gathered) and not self._over.is_set()
            return self._due - self._clock.monotonic() if self._has_timer else None

    def on_error(self, error: Exception) -> None:
        with self._lock:
            if not self._over.is_set():
                self._observer.on_error(self._rest(error) or error)

    def on_completed(self) -> None:
        with self._lock:
            if self._over.is_set():
                return
            failure = self._rest(None)
            if failure is None:
                self._observer.on_completed()
            else:
                self._observer.on_error(failure)

    def _rest(self, error: Exception | None) -> Exception | None:
        """Passes on what is left; returns what the subscriber raises then: the source has ended, and cannot be told."""
        try:
            if error is None or not self._is_deaf:  # a subscriber's own error comes back from the source
                self._emit()
        except Exception as failure:  # noqa: BLE001  # returned
            if error is not None:
                failure.add_note(f"it was given what was left before the stream's own error: {error!r}")
            return failure
        finally:
            self._over.set()
        return None

    def dispose(self) -> None:
        self._over.set()
        self._upstream.dispose()
