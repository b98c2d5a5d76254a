"""Several relays in one process: a thread each; if one must stop, all do."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from relay.runner import Relay


def run_together(relays: Sequence[Relay], stop: threading.Event, *, once: bool) -> None:
    """Runs them all until `stop`, or with `once` until each has drained. Raises the first one's error, after all ended.

    They run on daemon threads, so that the calling one, the main thread, stays free for signals.
    """
    errors: list[BaseException] = []

    def work(relay: Relay) -> None:
        try:
            relay.run(stop, once=once)
        except BaseException as error:  # noqa: BLE001  # raised again on the calling thread
            errors.append(error)
            stop.set()

    threads = [threading.Thread(target=work, args=(each,), name=f"relay-{each.name}", daemon=True) for each in relays]
    for thread in threads:
        thread.start()
    for thread in threads:
        while thread.is_alive():
            thread.join(0.2)
    if errors:
        raise errors[0]
