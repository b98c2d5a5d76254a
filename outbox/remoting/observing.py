"""Makes an Observable of what a gateway gives live."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import reactivex
from reactivex import Observable, abc
from reactivex.disposable import Disposable

from outbox.log.record import Record
from outbox.mongo.calls import outside_bound_session

Deliver = Callable[[Any, threading.Event], None]
"""Gives an observer records until the event is set; it completes when that returns without it."""


def observable(begin: Callable[[], Deliver], name: str) -> Observable[Record[Any]]:
    """Makes a cold Observable; each subscription has a daemon thread, which calls `on_next` serially.

    begin: is called when somebody subscribes.
    """

    def subscribe(observer: abc.ObserverBase[Record[Any]], _: abc.SchedulerBase | None = None) -> abc.DisposableBase:
        deliver = begin()
        stop, is_disposed = threading.Event(), threading.Event()

        def dispose() -> None:
            is_disposed.set()
            stop.set()

        def run() -> None:
            try:
                deliver(observer, stop)
            except Exception as error:  # noqa: BLE001  # the subscriber is told
                if not is_disposed.is_set():
                    observer.on_error(error)
            else:
                if not is_disposed.is_set():
                    observer.on_completed()

        threading.Thread(target=outside_bound_session(run), name=f"outbox-observe-{name}", daemon=True).start()
        return Disposable(dispose)

    return reactivex.create(subscribe)
