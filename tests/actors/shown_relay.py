"""A relay to memory that shows itself by HTTP in this process, as `relay run --listen` does."""

from __future__ import annotations

import contextlib
import threading
from types import TracebackType
from typing import Any, Self

import httpx2 as httpx

from outbox import Outbox
from relay import Relay
from relay.monitoring.alive import Pulse
from relay.monitoring.http import Shown, application
from relay.monitoring.listener import Listener
from relay.monitoring.page.guard import Guard
from relay.monitoring.page.watch import Watch
from relay.monitoring.probes import Liveness
from relay.testing import MemorySink
from tests.actors.relay_thread import Relaying

TOKEN = "a-token-of-a-test-0123456789"


class ShownRelay:
    """Relays inside the `with`, and serves what it shows on a free port of loopback.

    token: None: nobody may act. host: where the page believes to be served. at_work: whether the relay runs.
    """

    def __init__(
        self,
        orders: Outbox,
        sink: MemorySink | None = None,
        *,
        token: str | None = TOKEN,
        host: str = "127.0.0.1",
        at_work: bool = True,
        on_poison: Any = "park-key",
    ) -> None:
        self.relay = Relay(orders, MemorySink() if sink is None else sink, on_poison=on_poison)
        self.liveness = Liveness([orders])
        self.away = ""
        """What Kafka is said to be."""
        self.watch = Watch([self.relay], self.liveness, lambda _: self.away)
        self.guard = Guard(host, token)
        self._at_work = at_work
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Self:
        shown = Shown([self.relay], self.liveness, lambda _: self.away)
        listener = self._stack.enter_context(Listener("127.0.0.1", 0, application(shown, self.watch, self.guard)))
        self.url = f"http://127.0.0.1:{listener.port}"
        self._stack.enter_context(self.watch)
        self._stack.enter_context(_Alive(self.liveness))
        if self._at_work:
            self._stack.enter_context(Relaying(self.relay))
        self.http = self._stack.enter_context(httpx.Client(base_url=self.url, timeout=20, trust_env=False))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()


class _Alive:
    """Shows a sign of life some times a second, as the command's main thread does."""

    def __init__(self, liveness: Liveness) -> None:
        self._liveness = liveness
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        pulses: list[Pulse] = []
        while not self._stop.wait(0.2):
            self._liveness.show(pulses)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(5)
