"""Mirrors an outbox into another one, in the test's own process."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from outbox import Outbox
from outbox.transfer.mirroring import mirror


def run_once(orders: Outbox, copy: Outbox, **options: Any) -> None:
    """Brings over what there is, and numbers it."""
    mirror(orders, copy.collections, stop=threading.Event(), once=True, **options)
    copy.sequence()


@contextmanager
def running(orders: Outbox, copy: Outbox, **options: Any) -> Iterator[list[BaseException]]:
    """Mirrors inside the `with`; gives what ends it before, which is raised unless somebody takes it."""
    stop, failures = threading.Event(), list[BaseException]()

    def work() -> None:
        try:
            mirror(orders, copy.collections, stop=stop, **options)
        except BaseException as error:  # noqa: BLE001  # raised in the test
            failures.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield failures
    finally:
        stop.set()
        thread.join(60)
    if failures:
        raise failures[0]
