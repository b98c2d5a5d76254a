"""Kills processes at any moment, one and two at a time, while messages are put."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Sequence
from subprocess import Popen

from outbox import Outbox
from tests.actors.archiving import put
from tests.waiting import wait_until


def kill_while_put(
    orders: Outbox, kills: int, start: Callable[[int], Sequence[Popen[bytes]]], head: Callable[[], int], what: str
) -> None:
    """Starts so many processes, as often as `kills` says, and kills them a moment after `head()` has grown.

    start: is given how many, 1 or 2. what: what has not happened when it does not grow for a minute.
    """
    stop, chance = threading.Event(), random.Random(1)

    def write() -> None:
        while not stop.wait(0.02):
            put(orders, 50)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for number in range(kills):
            before = head()
            processes = start(1 + number % 2)
            try:
                wait_until(lambda before=before: head() > before, 60, what)  # type: ignore[misc]  # bound
                stop.wait(chance.random() / 5)
            finally:
                for process in processes:
                    process.kill()
                    process.wait()
    finally:
        stop.set()
        writer.join()
