"""A relay on a thread of the test's own."""

from __future__ import annotations

import threading
from types import TracebackType
from typing import Self

from relay import Relay


class Relaying:
    """Runs a relay inside the `with`, and stops it at the end. `error` is what it raised; None while all is well."""

    def __init__(self, relay: Relay, *, once: bool = False) -> None:
        self.error: BaseException | None = None
        self._relay = relay
        self._once = once
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="relay-under-test", daemon=True)

    def _run(self) -> None:
        try:
            self._relay.run(self._stop, once=self._once)
        except BaseException as error:  # noqa: BLE001  # looked at by the test
            self.error = error

    @property
    def ended(self) -> bool:
        return not self._thread.is_alive()

    def stop(self) -> None:
        """Stops it and waits for its end, draining included."""
        self._stop.set()
        self._thread.join(20)
        assert self.ended, "the relay did not stop"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        if error is None and self.error is not None:
            raise self.error


def run_once(relay: Relay) -> None:
    """Relays all that is committed; raises what the relay raises."""
    relay.run(threading.Event(), once=True)
