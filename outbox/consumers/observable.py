"""A consumer as an RxPY Observable: a thread a subscription, which runs the consumer."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from reactivex.abc import DisposableBase, ObserverBase
from reactivex.disposable import Disposable

from outbox.mongo.calls import outside_bound_session
from outbox.readers.observable import MarkedStream, give_error

logger = logging.getLogger("outbox")

T = TypeVar("T")


def observable(run: Callable[[Any, threading.Event, bool], None], name: str) -> MarkedStream[T]:
    """Makes a cold Observable: each subscription calls `run(observer, stop, marks)` on a thread of its own.

    marks: whether it wants a CaughtUp each time that the head is reached.

    It completes when `run` returns, and fails with what `run` raises; not once it is disposed of, which sets `stop`.
    """

    def begin(observer: ObserverBase[T], marks: bool) -> DisposableBase:
        stop, disposed = threading.Event(), threading.Event()

        def work() -> None:
            try:
                run(observer, stop, marks)
            except BaseException as error:  # noqa: BLE001  # whatever ends a subscription is the observer's to know
                if disposed.is_set():
                    logger.debug("%s: a disposed subscription ended with %r", name, error)
                    return
                give_error(observer, error, name)
            else:
                if not disposed.is_set():
                    observer.on_completed()

        def dispose() -> None:
            disposed.set()
            stop.set()

        threading.Thread(target=outside_bound_session(work), name=f"outbox-{name}", daemon=True).start()
        return Disposable(dispose)

    return MarkedStream(begin)
