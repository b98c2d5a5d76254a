"""Does an effect for each record on several threads: one key in order, different keys side by side."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from reactivex import Observable
from reactivex.abc import DisposableBase, ObserverBase, SchedulerBase
from reactivex.disposable import Disposable, SingleAssignmentDisposable

from outbox.arguments import check_count, check_function
from outbox.events import CaughtUp
from outbox.log.record import Record, note_record
from outbox.operators.marks import passing_marks
from outbox.readers.observable import give_error
from outbox.threads.workers import Workers

logger = logging.getLogger("outbox")

M = TypeVar("M")

EACH = 8
"""So many records for each thread are taken in: of one key they wait for each other, and others are to go on."""


def by_key(
    concurrency: int, effect: Callable[[Record[M]], object]
) -> Callable[[Observable[Record[M]]], Observable[Record[M]]]:
    """Does `effect(record)` on up to `concurrency` threads, and passes each record on once its effect is done.

    Records of one key are done one after the other, in order; those of different keys, and those without a key, side by
    side. They are passed on in the order in which they are done, one at a time, from the thread that did the effect.

    At most 8 records for each thread are taken in: then the source waits, which is all the back-pressure there is. What
    an effect or a subscriber raises goes to `on_error`, and names the record, once the effects that run have ended;
    those that had not begun do not begin. Completion waits for all, and so does a mark of `caught_up`. A disposed
    subscription begins no effect any more; those that run go on to their end on their daemon threads, and nothing comes
    of them. An effect may not feed its own source. Raises InvalidArgument.
    """
    check_count("concurrency", concurrency)
    check_function("effect", effect, "a record")

    def handled(source: Observable[Any]) -> Observable[Any]:
        def subscribe(observer: ObserverBase[Any], scheduler: SchedulerBase | None = None) -> DisposableBase:
            upstream = SingleAssignmentDisposable()
            keys = _Keys(observer, upstream, concurrency, effect)
            upstream.disposable = source.subscribe(keys.on_next, keys.on_error, keys.on_completed, scheduler=scheduler)
            return Disposable(keys.dispose)

        return Observable(subscribe)

    return passing_marks(handled)


class _Keys:
    """One subscription. Thread-safe; the source calls it serially, as Observables do."""

    def __init__(
        self, observer: ObserverBase[Any], upstream: DisposableBase, concurrency: int, effect: Callable[[Any], object]
    ) -> None:
        self._observer = observer
        self._upstream = upstream
        self._effect = effect
        self._most = concurrency * EACH
        self._workers = Workers(concurrency, "outbox-by-key")
        self._changed = threading.Condition()
        self._emitting = threading.RLock()  # a subscriber is called by one thread at a time
        self._in_flight = 0
        self._behind: dict[str, deque[Record[Any]]] = {}
        """By key that is being worked on, what waits behind it."""
        self._is_over = False
        """Nothing is begun any more: it was disposed of, or has ended."""
        self._is_deaf = False  # the subscriber has failed: it is given nothing more but that
        self._end: Callable[[], None] | None = None
        """What the observer is to be told when all that was taken in is done with."""

    def on_next(self, item: Record[Any] | CaughtUp) -> None:
        if isinstance(item, CaughtUp):
            self._pass_mark(item)
            return
        try:
            key = item.key
        except Exception as error:  # noqa: BLE001  # a key that cannot be decoded; what is no record
            self._fail(error)
            return
        with self._changed:
            self._changed.wait_for(lambda: self._is_over or self._in_flight < self._most)
            if self._is_over:
                return
            self._in_flight += 1
            if key in self._behind:
                self._behind[key].append(item)
                return
            if key is not None:
                self._behind[key] = deque()
        self._workers.submit(self._work, item, key)

    def _pass_mark(self, mark: CaughtUp) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._is_over or not self._in_flight)
            if self._is_over:
                return
        with self._emitting:
            self._observer.on_next(mark)

    def _work(self, record: Record[Any], key: str | None) -> None:
        if not self._is_over:
            self._handle(record)
        with self._changed:
            self._in_flight -= 1
            following = self._follower(key)
            self._changed.notify_all()
        if following is not None:
            self._workers.submit(self._work, following, key)
        self._settle()

    def _follower(self, key: str | None) -> Record[Any] | None:
        if key is None:
            return None
        behind = self._behind[key]
        if behind and not self._is_over:
            return behind.popleft()
        self._in_flight -= len(behind)
        del self._behind[key]
        return None

    def _handle(self, record: Record[Any]) -> None:
        try:
            self._effect(record)
        except BaseException as error:  # noqa: BLE001  # on_error is told, as of whatever a subscriber raises
            note_record(error, record, "the effect of by_key")
            self._fail(error)
            return
        with self._emitting:
            if self._is_deaf:
                return
            try:
                self._observer.on_next(record)
            except BaseException as error:  # noqa: BLE001  # as above
                self._is_deaf = True
                note_record(error, record, "the subscriber behind by_key")
                self._fail(error)

    def _fail(self, error: BaseException) -> None:
        with self._changed:
            if self._is_over:
                logger.error("by_key failed once more after its stream had ended", exc_info=error)
                return
            self._is_over = True
            self._end = partial(give_error, self._observer, error, "by_key")
            self._changed.notify_all()
        self._upstream.dispose()
        self._settle()

    def on_error(self, error: Exception) -> None:
        self._ends(partial(self._observer.on_error, error))

    def on_completed(self) -> None:
        self._ends(self._observer.on_completed)

    def _ends(self, end: Callable[[], None]) -> None:
        with self._changed:
            if self._is_over:
                return
            self._end = end
            now = self._ending()
        if now is not None:
            self._workers.shutdown(wait=False)
            now()  # what it raises is the source's to know

    def _settle(self) -> None:
        """Tells the observer of the end, if it has come, on a thread that has nobody else to tell."""
        with self._changed:
            end = self._ending()
        if end is None:
            return
        self._workers.shutdown(wait=False)
        try:
            end()
        except BaseException:  # a daemon thread is its last frame
            logger.exception("a subscriber behind by_key failed when the stream ended")

    def _ending(self) -> Callable[[], None] | None:
        """Gives, once, what the observer is to be told, when nothing is in flight any more."""
        if self._in_flight or self._end is None:
            return None
        end, self._end = self._end, None
        self._is_over = True
        return end

    def dispose(self) -> None:
        with self._changed:
            self._is_over = True
            self._changed.notify_all()
        self._upstream.dispose()
        self._workers.shutdown(wait=False)
