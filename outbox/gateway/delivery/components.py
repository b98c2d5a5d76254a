"""The registered consumers that this process works for, one connection of each at a time."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar
from weakref import WeakValueDictionary

from outbox.aio.threads import Threads
from outbox.gateway.answers import Refusal, closing, taken
from outbox.gateway.delivery.running import Running
from outbox.gateway.limits import Limits
from outbox.gateway.scope import Caller
from outbox.log.position import Position
from outbox.log.reader_id import reader_id
from outbox.log.record import Record
from outbox.mongo.calls import outside_bound_session, time_limit
from outbox.mongo.server_errors import patiently
from outbox.outbox import Outbox
from outbox.readers.query import History
from outbox.readers.start import Start
from outbox.shares.layout import load

T = TypeVar("T")

COMPONENT = re.compile(r"[A-Za-z0-9_.-]{1,64}")
LINGER_SECONDS = 1.0
"""So long a consumer is kept after a connection, for the next one of it; then another process may have it."""
TAKE_SECONDS = 2.5
"""So long a connection waits for another process to be done with the consumer: longer than that keeps one."""


@dataclass(frozen=True)
class Registered:
    """What is stored of a consumer."""

    position: int
    types: frozenset[str] | None
    is_paused: bool


class Component:
    """A consumer of one caller, and its run in this process."""

    def __init__(self, caller: Caller, component: str) -> None:
        """Raises Refusal for a component that the caller cannot have."""
        if not COMPONENT.fullmatch(component):
            raise Refusal(400, "bad_request", "a component is 1 to 64 of A-Z, a-z, 0-9, '_', '.' and '-'")
        if component == "live":
            raise Refusal(400, "live_not_allowed", "'live' is for consumers that are not registered: /v1/live/…")
        caller.check_component(component)
        self.caller = caller
        self.component = component
        self.name = f"{caller.name}.{component}"
        """The durable consumer's. A caller's name has no dot, so no two have the same."""
        self.id = reader_id("consumer", self.name)


class Components:
    """Registers consumers, and runs those that are connected. For one event loop."""

    def __init__(self, orders: Outbox, threads: Threads, limits: Limits, archive: History | None = None) -> None:
        self._orders = orders
        self._threads = threads
        self._limits = limits
        self._archive = archive
        self._running: dict[str, Running] = {}
        self._busy: dict[str, asyncio.Future[None]] = {}
        """The consumers that have a connection, each with what is done when that ends."""
        self._lingering: dict[str, asyncio.TimerHandle] = {}
        self._registering: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._is_closing = False

    async def call(self, call: Callable[[], T]) -> T:
        """Calls what asks the server on a thread; a few times, when the server does not answer."""
        return await self._threads.call(partial(patiently, outside_bound_session(call)))

    async def call_once(self, call: Callable[[], T]) -> T:
        """Calls it on a thread, and never again."""
        return await self._threads.call(outside_bound_session(call))

    async def registered(self, component: Component) -> Registered:
        """Reads what is stored of a consumer. Raises Refusal when nothing is."""
        found = await self.call(partial(_stored, self._orders, component.id))
        if found is None:
            raise Refusal(404, "not_registered", f"there is no consumer {component.component!r}: PUT it first")
        return found

    async def register(self, component: Component, start: Start, types: Collection[str] | None) -> bool:
        """Makes a consumer where there is none, and sets which types it is given; whether there was none."""
        async with self._registering.setdefault(component.id, asyncio.Lock()):  # of several at once one is the first
            return await self._register(component, start, types)

    async def _register(self, component: Component, start: Start, types: Collection[str] | None) -> bool:
        stored = await self.call(partial(_stored, self._orders, component.id))
        if stored is None:
            async with self.connected(component, start):
                pass
        if stored is None or stored.types != (None if types is None else frozenset(types)):
            await self.call(partial(_set_types, self._orders, component.id, types))
            if component.id not in self._busy:
                await self._end(component.id)  # what it holds was chosen by the old ones
        return stored is None

    async def forget(self, component: Component) -> bool:
        """Forgets a consumer; whether there was one. Raises Refusal while it is connected, and CursorInUse."""
        if component.id in self._busy:
            raise taken(component.component)
        await self._end(component.id)
        return await self.call(self._orders.consumer(component.name).forget)

    def running(self, component: Component) -> Running | None:
        """Returns the run of a consumer in this process, if there is one."""
        running = self._running.get(component.id)
        return None if running is None or running.is_over else running

    @asynccontextmanager
    async def connected(self, component: Component, start: Start | None = None) -> AsyncIterator[Running]:
        """Runs the consumer for a connection; alone, among all connections of all processes.

        start: where one begins that is not registered; None refuses it. Raises Refusal, and what the run raises.
        """
        id = component.id
        await self._turn(component)
        self._busy[id] = asyncio.get_running_loop().create_future()
        try:
            if (timer := self._lingering.pop(id, None)) is not None:
                timer.cancel()
            running = self.running(component)
            if running is None:
                await self._end(id)
                if len(self._running) >= self._limits.consumers:
                    raise Refusal(429, "too_many", f"{self._limits.consumers} consumers are connected, the limit")
                running = await self._begun(component, start)
            yield running
        finally:
            self._busy.pop(id).set_result(None)
            self._linger(id)

    def check_open(self) -> None:
        """Raises Refusal when this process ends."""
        if self._is_closing:
            raise closing()

    async def _turn(self, component: Component) -> None:
        """Returns when no connection of this process has the consumer. Raises Refusal when one has it for so long."""
        loop = asyncio.get_running_loop()
        until = loop.time() + TAKE_SECONDS
        while (busy := self._busy.get(component.id)) is not None:
            await asyncio.wait((busy,), timeout=until - loop.time())
            if not busy.done():
                raise taken(component.component)
        self.check_open()

    async def _begun(self, component: Component, start: Start | None) -> Running:
        types = None if start is not None else (await self.registered(component)).types
        running = self._running[component.id] = self._begin(component, start or "earliest", types)
        try:
            await running.begun(component.component, TAKE_SECONDS)
            running.window.pass_over((await self.registered(component)).position)
        except BaseException:
            running.leave()
            raise
        return running

    def _begin(self, component: Component, start: Start, types: frozenset[str] | None) -> Running:
        sees = component.caller.scope.sees

        def wanted(record: Record[Any]) -> bool:
            return (types is None or record.type in types) and sees(record)

        running = Running(wanted, self._limits.queue_bytes)
        running.begin(self._orders.consumer(component.name, start=start, on_event=running.told, archive=self._archive))
        return running

    def _linger(self, id: str) -> None:
        running = self._running.get(id)
        if running is None:
            return
        if running.is_over or self._is_closing:
            self._leave(id, running)
        else:
            self._lingering[id] = asyncio.get_running_loop().call_later(LINGER_SECONDS, self._leave, id, running)

    def _leave(self, id: str, running: Running) -> None:
        running.leave()
        running.ended.add_done_callback(lambda _: self._running.get(id) is running and self._running.pop(id))

    async def _end(self, id: str) -> None:
        """Ends a run, and waits until its position is saved."""
        if (timer := self._lingering.pop(id, None)) is not None:
            timer.cancel()
        if (running := self._running.pop(id, None)) is not None:
            running.leave()
            await asyncio.wait((running.ended,))

    def close(self) -> None:
        """Lets every connection end, and accepts no more."""
        self._is_closing = True
        for running in self._running.values():
            running.leave()

    @property
    def connected_ids(self) -> frozenset[str]:
        """The ids of the consumers that a connection works for."""
        return frozenset(id for id in self._busy if id in self._running and self._running[id].has_begun)

    @property
    def queue_bytes(self) -> int:
        """Counts the bytes that wait for clients."""
        return sum(running.window.bytes for running in list(self._running.values()))

    @property
    def running_ids(self) -> frozenset[str]:
        """The ids of the consumers that this process works for, or has just worked for."""
        return frozenset(self._running)

    @property
    def is_closing(self) -> bool:
        """Tells whether connections are to end."""
        return self._is_closing

    async def ended(self) -> None:
        """Returns when all runs have ended, and their positions are saved."""
        for id in list(self._running):
            await self._end(id)


def _stored(orders: Outbox, id: str) -> Registered | None:
    layout = load(orders.collections, id)
    slowest: Position | None = layout.slowest
    if slowest is None:
        return None
    if layout.total > 1:
        raise Refusal(
            409, "shared", f"{id} has {layout.total} shares, and a client gets all in one order: set them to 1"
        )
    with time_limit():
        found = orders.collections.cursors.find_one({"_id": id}, {"types": 1}) or {}
    types = found.get("types")
    return Registered(slowest[0], None if types is None else frozenset(types), layout.paused)


def _set_types(orders: Outbox, id: str, types: Collection[str] | None) -> None:
    change = {"$unset": {"types": 1}} if types is None else {"$set": {"types": sorted(types)}}
    with time_limit():
        orders.collections.cursors.update_one({"_id": id}, change)
