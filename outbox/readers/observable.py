"""The log as an RxPY Observable: each subscription pulls on a thread of its own, so a slow one holds up nobody."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal, TypeVar, cast

from pymongo.errors import PyMongoError
from reactivex import Observable
from reactivex.abc import DisposableBase, ObserverBase, SchedulerBase
from reactivex.disposable import Disposable

from outbox.errors import HistoryLost, OutboxError
from outbox.log.batch import Batch
from outbox.log.log import Log
from outbox.log.record import Decode, Record
from outbox.mongo.calls import outside_bound_session
from outbox.mongo.collections import Collections
from outbox.mongo.server_errors import is_closed, is_transient, patiently, short_message
from outbox.readers.background import BackgroundThreads
from outbox.readers.reader import LogReader
from outbox.readers.selection import warn_of_unknown
from outbox.readers.start import Start, resolve
from outbox.readers.tail import Tail
from outbox.threads.program_end import CLOSED_SECONDS, told_at_the_end

logger = logging.getLogger("outbox")

POLL_SECONDS = 1.0
_RETRY_SECONDS = 0.1

T = TypeVar("T")
OnGap = Literal["error"] | Callable[[HistoryLost], None]


@dataclass(frozen=True)
class Query:
    """What a subscriber asked for; `types` are names, None means all."""

    start: Start
    types: frozenset[str] | None
    key: str | None
    on_gap: OnGap = "error"
    pinned: int | None = None
    """The seq that `start` means, once that is known."""
    unknown: frozenset[str] = frozenset()
    """Those of `types` that this process has no message class of."""

    def wants(self, record: Record[Any]) -> bool:
        return (self.types is None or record.type in self.types) and (self.key is None or record.key == self.key)


def next_batches(reader: LogReader, request: Query, delivered: bool) -> list[Batch]:
    """The next batches, over a gap if the request allows that; none at the head. Raises as `LogReader.read`."""
    while True:
        try:
            return reader.read_batches()
        except HistoryLost as lost:
            if callable(request.on_gap) and (delivered or request.start != "earliest"):
                request.on_gap(lost)
            elif delivered or request.start != "earliest":
                raise
            reader.move(lost.oldest)  # told of it; or 'earliest', which promises nothing before its first record


def decoded(batches: Iterable[Batch], decode: Decode) -> Iterator[Record[Any]]:
    """The records of batches, each decoded shortly before it is wanted. Raises LogCorrupt."""
    for batch in batches:
        for portion in batch.portions(decode):
            yield from portion


class Subscriptions:
    """The live subscriptions of one outbox. Thread-safe."""

    def __init__(
        self, collections: Collections, feed: BackgroundThreads, decode: Decode, check_usable: Callable[[], None]
    ) -> None:
        self.collections = collections
        self.feed = feed
        self.decode = decode
        self._check_usable = check_usable
        self._live: set[_Subscription] = set()
        self._lock = threading.Lock()

    def observable(self, request: Query) -> Observable[Record[Any]]:
        """Cold: each subscription resolves its start and reads for itself."""

        def subscribe(observer: ObserverBase[Record[Any]], scheduler: SchedulerBase | None = None) -> DisposableBase:
            self._check_usable()  # it may have been closed, or forked, since the Observable was made
            subscription = _Subscription(self, self._pinned(request), observer)
            with self._lock:
                self._live.add(subscription)
            try:
                subscription.thread.start()
            except RuntimeError:  # no thread can be had
                self.ended(subscription)
                raise
            return Disposable(subscription.dispose)

        return Observable(subscribe)

    @outside_bound_session
    def _pinned(self, request: Query) -> Query:
        """'latest' as the seq that it means now, so that whatever is put from now on is delivered.

        A server that cannot be asked is asked again by the subscription itself, which tells of errors that stay.
        """
        if request.start != "latest":
            return request
        try:
            return replace(request, pinned=patiently(lambda: resolve(request.start, Log(self.collections))))
        except (PyMongoError, OutboxError) as error:
            name = self.collections.log.full_name
            logger.info("reading %s from 'latest' begins when the server answers: %s", name, short_message(error))
            return request

    def read(self, request: Query) -> Iterator[Record[Any]]:
        """The records from the request's start to the head."""
        return self._read(self._pinned(request))

    def _read(self, request: Query) -> Iterator[Record[Any]]:
        reader = patiently(lambda: self.open(request, None))
        delivered = False
        try:
            while batches := patiently(partial(next_batches, reader, request, delivered)):
                delivered = True
                yield from filter(request.wants, decoded(batches, self.decode))
            patiently(reader.verify)
        finally:
            reader.close()

    @outside_bound_session
    def open(self, request: Query, tail: Tail | None) -> LogReader:
        if request.unknown:
            warn_of_unknown(self.collections, request.unknown)
        try:
            position = request.pinned or resolve(request.start, Log(self.collections))
        except HistoryLost as lost:
            if not callable(request.on_gap):
                raise
            position = lost.expected  # the first read meets the gap, and tells of it
        return LogReader(self.collections, position, tail=tail, decode=self.decode)

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

    def __init__(self, home: Subscriptions, request: Query, observer: ObserverBase[Record[Any]]) -> None:
        self._home = home
        self._request = request
        self._observer = observer
        self._stop = threading.Event()
        self._disposed = False
        self._delivered = False
        name = f"outbox-observe-{home.collections.name}"
        self.thread = threading.Thread(target=outside_bound_session(self._run), name=name, daemon=True)

    def dispose(self) -> None:
        """Ends it without another call to the observer."""
        self._disposed = True
        self.complete()

    def complete(self) -> None:
        """Ends it; the observer is told that it is complete."""
        self._stop.set()
        self._home.feed.wake()

    def _run(self) -> None:
        try:
            with told_at_the_end(self.dispose, wait=False), self._home.feed.running() as tail:
                self._deliver(tail)
            if not self._disposed:
                self._observer.on_completed()
        except BaseException as error:  # noqa: BLE001  # whatever ends a subscription is the observer's to know
            self._fail(error)
        finally:
            self._home.ended(self)

    def _fail(self, error: BaseException) -> None:
        if not isinstance(error, Exception):  # sys.exit() in on_next, which only ever ends the thread it is called in
            logger.error(
                "a subscription of %s was ended by %r from its subscriber; the program goes on",
                self._home.collections.log.full_name,
                error,
            )
        if self._disposed:
            logger.debug("a disposed subscription ended with %r", error)
            return
        if is_closed(error) and self._stop.wait(CLOSED_SECONDS):
            return
        try:
            self._observer.on_error(cast(Exception, error))
        except BaseException:  # a daemon thread is its last frame: an error that nobody handles must at least be seen
            logger.exception("a subscriber of %s failed and has no on_error", self._home.collections.log.full_name)

    def _deliver(self, tail: Tail) -> None:
        reader = self._riding_out(lambda: self._home.open(self._request, tail))
        if reader is None:
            return
        try:
            while not self._stop.is_set():
                batches = self._riding_out(lambda: next_batches(reader, self._request, self._delivered))
                if not batches:
                    reader.wait(POLL_SECONDS, self._stop)
                    continue
                for record in decoded(batches, self._home.decode):
                    if self._stop.is_set():
                        return
                    self._delivered = True
                    if self._request.wants(record):
                        self._observer.on_next(record)
        finally:
            reader.close()

    def _riding_out(self, call: Callable[[], T]) -> T | None:
        """Repeats a call through step-downs and disconnects; None when the subscription was ended meanwhile."""
        while not self._stop.is_set():
            try:
                return call()
            except PyMongoError as error:
                if not is_transient(error):
                    raise
                logger.info(
                    "reading %s goes on in a moment: %s", self._home.collections.log.full_name, short_message(error)
                )
                self._stop.wait(_RETRY_SECONDS)
        return None
