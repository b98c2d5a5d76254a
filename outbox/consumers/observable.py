"""A consumer as an RxPY Observable: a thread a subscription, which runs the consumer."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from reactivex import Observable
from reactivex.abc import DisposableBase, ObserverBase, SchedulerBase
from reactivex.disposable import Disposable

from outbox.mongo.calls import outside_bound_session
from outbox.readers.observable import give_error

logger = logging.getLogger("outbox")

T = TypeVar("T")


def observable(run: Callable[[Any, threading.Event], None], name: str) -> Observable[T]:
    """Makes a cold Observable: each subscription calls `run(observer, stop)` on a thread of its own.

    It completes when `run` returns, and fails with what `run` raises; not once it is disposed of, which sets `stop`.
    """

    def subscribe(observer: ObserverBase[T], scheduler: SchedulerBase | None = None) -> DisposableBase:
        stop, disposed = threading.Event(), threading.Event()

        def work() -> None:
            try:
                run(observer, stop)
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

    return Observable(subscribe)
