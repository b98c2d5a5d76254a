"""One run of a consumer on a thread, for one connection after another."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

from outbox.aio.consumers.handlers import LoopStop
from outbox.aio.consumers.running import begin_on_thread
from outbox.aio.threads import hand_over
from outbox.consumers.consumer import Consumer
from outbox.events import Event, OnEvent, Paused, Standby, Started
from outbox.gateway.answers import Refusal, closing, taken
from outbox.gateway.delivery.window import Window
from outbox.log.record import Record


class Running:
    """Runs a consumer until it is left; its records wait in a window. For one event loop."""

    def __init__(self, wanted: Callable[[Record[Any]], bool], most_bytes: int) -> None:
        self._loop = asyncio.get_running_loop()
        self.window = Window(wanted, most_bytes, lambda: hand_over(self._loop, self._changed.set))
        self.ended: asyncio.Future[None] = self._loop.create_future()
        self.ended.add_done_callback(lambda _: self._changed.set())
        self.is_paused = False
        self.has_begun = False
        """Whether it has had the consumer."""
        self._is_standby = False
        self._stop = LoopStop(self._loop)
        self._changed = asyncio.Event()

    @property
    def told(self) -> OnEvent:
        """What is to be told of the consumer's events."""

        def tell(event: Event) -> None:
            hand_over(self._loop, partial(self._note, event))

        return tell

    def _note(self, event: Event) -> None:
        match event:
            case Started():
                self.has_begun, self.is_paused, self._is_standby = True, False, False
            case Paused():
                self.has_begun, self.is_paused, self._is_standby = True, True, False
            case Standby():
                self._is_standby = True
        self._changed.set()

    def begin(self, consumer: Consumer[Any]) -> None:
        """Begins the consumer's thread."""
        run = partial(consumer.deliver_to, lambda terms: self.window, self._stop)
        begin_on_thread(run, consumer.name, self.ended)

    async def begun(self, name: str, seconds: float) -> None:
        """Returns when it works. Raises what ends it, and Refusal when another process works for so long."""
        until = self._loop.time() + seconds
        while not self.has_begun:
            self.check()
            if not await self.changed(until) and not self.has_begun:
                if not self._is_standby:
                    raise Refusal(503, "unavailable", "the database or the archive does not answer just now: try again")
                raise taken(name)

    def check(self) -> None:
        """Raises what has ended it, if it has ended; Refusal when another process has taken over."""
        if self.ended.done():
            error = self.ended.exception()
            raise (closing() if error is None else error)
        if self.has_begun and self._is_standby:
            raise Refusal(409, "taken", "another process has taken this consumer over")

    async def changed(self, until: float) -> bool:
        """Waits for something to have changed, until a time of the loop. False: nothing has."""
        try:
            async with asyncio.timeout_at(until):
                await self._changed.wait()
        except TimeoutError:
            return False
        self._changed.clear()
        return True

    def wake(self) -> None:
        """Ends the wait of whoever waits for a change."""
        self._changed.set()

    def leave(self) -> None:
        """Ends it, soon. What was acknowledged is saved."""
        self._stop.set()

    @property
    def is_over(self) -> bool:
        """Tells whether it cannot serve another connection."""
        return self.ended.done() or self._stop.is_set() or (self.has_begun and self._is_standby)
