"""The log as an RxPY Observable: each subscription pulls on a thread of its own, so a slow one holds up nobody."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar, cast

from pymongo.errors import PyMongoError
from reactivex import Observable
from reactivex.abc import DisposableBase, ObserverBase, SchedulerBase
from reactivex.disposable import Disposable

from outbox.clock import SystemClock
from outbox.events import CaughtUp, Disconnected, Fetched, Idle, Reconnected, Started, Stopped, teller
from outbox.log.record import Decode, Record
from outbox.mongo.calls import outside_bound_session
from outbox.mongo.server_errors import is_closed, is_transient, patiently, short_message
from outbox.readers.query import First, Portions, Query, decoded, next_batches
from outbox.readers.reader import REST_SECONDS
from outbox.readers.source import OpenReader, Source
from outbox.threads.program_end import CLOSED_SECONDS, told_at_the_end

logger = logging.getLogger("outbox")

_RETRY_SECONDS = 0.1

T = TypeVar("T")


class MarkedStream(Observable[T]):
    """An Observable that can also tell, between its items, when it has reached the head."""

    def __init__(self, begin: Callable[[ObserverBase[Any], bool], DisposableBase]) -> None:
        """begin: subscribes an observer; the second argument says whether it wants the marks."""

        def subscribe(observer: ObserverBase[T], scheduler: SchedulerBase | None = None) -> DisposableBase:
            return begin(observer, False)

        super().__init__(subscribe)
        self._begin = begin

    def marked(self) -> Observable[T | CaughtUp]:
        """The same, with a CaughtUp between the items each time the head is reached."""

        def subscribe(observer: ObserverBase[T | CaughtUp], scheduler: SchedulerBase | None = None) -> DisposableBase:
            return self._begin(observer, True)

        return Observable(subscribe)


class Subscriptions:
    """The live subscriptions of one outbox. Thread-safe."""

    def __init__(self, source: Source, decode: Decode, check_usable: Callable[[], None]) -> None:
        self.source = source
        self.decode = decode
        self._check_usable = check_usable
        self._live: set[_Subscription] = set()
        self._lock = threading.Lock()

    def observable(self, query: Query) -> MarkedStream[Record[Any]]:
        """Cold: each subscription resolves its start and reads for itself."""
        return MarkedStream(lambda observer, marks: self._begin(observer, replace(query, marks=marks)))

    def _begin(self, observer: ObserverBase[Any], query: Query) -> DisposableBase:
        try:
            self._check_usable()  # it may have been closed, or forked, since the Observable was made
            subscription = _Subscription(self, self.source.pinned(query), observer)
            self._start(subscription)
        except BaseException:
            teller(query.on_event)(Stopped())
            raise
        return Disposable(subscription.dispose)

    def _start(self, subscription: _Subscription) -> None:
        with self._lock:
            self._live.add(subscription)
        try:
            subscription.thread.start()
        except RuntimeError:  # no thread can be had
            self.ended(subscription)
            raise

    def read(self, query: Query) -> Iterator[Record[Any]]:
        """The records from the query's start to the head."""
        return self._read(self.source.pinned(query))

    def _read(self, query: Query) -> Iterator[Record[Any]]:
        reader = patiently(lambda: self.source.open(query))
        delivered = False
        try:
            while batches := patiently(partial(next_batches, reader, query, delivered)):
                delivered = True
                for record in decoded(batches, self.decode):
                    if query.wants(record):  # no `filter`, which takes a StopIteration of `where` for the end
                        yield record
            patiently(reader.verify)
        finally:
            reader.close()

    def ended(self, subscription: _Subscription) -> None:
        with self._lock:
            self._live.discard(subscription)

    def complete(self, seconds: float) -> None:
        """Completes every subscription; waits up to `seconds` for each to end, unless called from within it."""
        with self._lock:
            live = list(self._live)
        for subscription in live:
            subscription.complete()
        for subscription in live:
            if subscription.thread is not threading.current_thread():
                subscription.thread.join(seconds)


class _Subscription:
    """One subscriber: a daemon thread that pulls, filters, and calls `on_next` serially."""

    def __init__(self, home: Subscriptions, query: Query, observer: ObserverBase[Any]) -> None:
        self._home = home
        self._query = query
        self._observer = observer
        self._tell = teller(query.on_event)
        self._clock = SystemClock()
        self._stop = threading.Event()
        self._disposed = False
        self._delivered = False
        name = f"outbox-observe-{home.source.name}"
        self.thread = threading.Thread(target=outside_bound_session(self._run), name=name, daemon=True)

    def dispose(self) -> None:
        """Ends it without another call to the observer."""
        self._disposed = True
        self.complete()

    def complete(self) -> None:
        """Ends it; the observer is told that it is complete."""
        self._stop.set()
        self._home.source.wake()

    def _run(self) -> None:
        try:
            with told_at_the_end(self.dispose, wait=False), self._home.source.running() as open_reader:
                self._deliver(open_reader)
        except BaseException as error:  # noqa: BLE001  # whatever ends a subscription is the observer's to know
            self._fail(error)
        else:
            self._complete()
        finally:
            self._home.ended(self)
            self._tell(Stopped())

    def _complete(self) -> None:
        if self._disposed:
            return
        try:
            self._observer.on_completed()
        except BaseException:  # it has been completed, so nothing can be given to its on_error any more
            where = self._home.source.where
            logger.exception("a subscriber of %s failed when it was completed", where, extra={"outbox": where})

    def _fail(self, error: BaseException) -> None:
        if self._disposed:
            level = logging.DEBUG if isinstance(error, Exception) else logging.ERROR
            logger.log(level, "a disposed subscription ended with %r", error)
            return
        if is_closed(error) and self._stop.wait(CLOSED_SECONDS):
            return
        give_error(self._observer, error, self._home.source.where)

    def _deliver(self, open_reader: OpenReader) -> None:
        if self._query.first is not None:
            with closing(self._query.first()) as first:
                start = self._begun(first)
                self._query = replace(self._query, pinned=start, where=first.wants)
                while records := self._riding_out(first.read):
                    for record in records:
                        if self._stop.is_set():
                            return
                        self._observer.on_next(record)
        self._deliver_log(open_reader)

    def _begun(self, first: First) -> int | None:
        """Waits until what comes first is there; None when the subscription was ended meanwhile."""
        while not self._stop.is_set():
            start = self._riding_out(first.begin)
            if start is not None:
                return start
            self._stop.wait(_RETRY_SECONDS)
        return None

    def _deliver_log(self, open_reader: OpenReader) -> None:
        reader = self._riding_out(lambda: open_reader(self._query))
        if reader is None:
            return
        self._tell(Started())
        at_head = False
        try:
            while not self._stop.is_set():
                batches = self._riding_out(lambda: next_batches(reader, self._query, self._delivered))
                if batches is None:
                    return
                if batches:
                    if fetched := sum(batch.gives for batch in batches):  # none of a chunk that has nothing wanted
                        self._tell(Fetched(fetched))
                    self._hand_on(batches)
                else:
                    if not at_head:
                        self._reach(reader.position - 1)
                    reader.wait(REST_SECONDS, self._stop)
                at_head = not batches
        finally:
            reader.close()

    def _hand_on(self, batches: Sequence[Portions]) -> None:
        for record in decoded(batches, self._home.decode):
            if self._stop.is_set():
                return
            self._delivered = True
            if self._query.wants(record):
                self._observer.on_next(record)

    def _reach(self, head: int) -> None:
        if self._query.marks:
            self._observer.on_next(CaughtUp(head))
        self._tell(CaughtUp(head))
        self._tell(Idle())

    def _riding_out(self, call: Callable[[], T]) -> T | None:
        """Repeats a call through step-downs and disconnects; None when the subscription was ended meanwhile."""
        lost_at: float | None = None
        while not self._stop.is_set():
            try:
                result = call()
            except PyMongoError as error:
                if not is_transient(error):
                    raise
                if lost_at is None:
                    lost_at = self._clock.monotonic()
                    self._tell(Disconnected(error))
                where = self._home.source.where
                said = "reading %s goes on in a moment: %s"
                logger.info(said, where, short_message(error), extra={"outbox": where})
                self._stop.wait(_RETRY_SECONDS)
            else:
                if lost_at is not None:
                    self._tell(Reconnected(self._clock.monotonic() - lost_at))
                return result
        return None


def give_error(observer: ObserverBase[Any], error: BaseException, source: str) -> None:
    """Gives `on_error` what ended the stream, on a thread of our own: what happens there, nobody else will tell."""
    if not isinstance(error, Exception):  # sys.exit() in on_next, which only ever ends the thread it is called in
        said = "a subscription of %s was ended by %r from its subscriber; the program goes on"
        logger.error(said, source, error, extra={"outbox": source})
    try:
        observer.on_error(cast(Exception, error))
    except BaseException:  # a daemon thread is its last frame: an error that nobody handles must at least be seen
        logger.exception("a subscriber of %s failed and has no on_error", source, extra={"outbox": source})
