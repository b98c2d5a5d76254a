"""Relays in other processes, of which one is looked at: by a listener, by scrapes, by traces."""

from __future__ import annotations

import contextlib
import threading
import time
import urllib.request
import uuid
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from typing import Any, Literal, Self, TypeVar, get_args

from pymongo import MongoClient

from bench.rig.benchmark import Figures
from bench.rig.process import SPAWN, private_mib
from bench.rig.relaying import relay_again
from outbox import Outbox
from relay import KafkaSink, Relay
from relay.cli.process import keep_memory

How = Literal["listen", "scrape", "trace"]
"""listen: it serves metrics, probes and the page, and nobody asks. scrape: each second somebody does, from another
process. trace: OpenTelemetry is loaded, and each batch is a span that is thrown away."""
WAYS: tuple[How, ...] = get_args(How)
_REST_SCRAPES = 5
_SCRAPE_SECONDS = 1.1  # those of one second are one
_SETTLE_SECONDS = 0.5

T = TypeVar("T")


class RelayProcess:
    """A process that relays one full log, as often as it is asked to; `how` None: unwatched. Not thread-safe."""

    def __init__(self, mongo: str, database: str, kafka: str, topic: str, how: How | None) -> None:
        self._how = how
        self._process = ProcessPoolExecutor(
            1, mp_context=SPAWN, initializer=_begin, initargs=(mongo, database, kafka, topic, how)
        )

    def __enter__(self) -> Self:
        self._port = self._call(_port)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.submit(_end).result()
        self._process.shutdown()

    def at_rest(self) -> Figures:
        """Its memory before it has relayed anything, and what a scrape costs it."""
        if self._how != "scrape":
            return {"private MiB": self._call(private_mib)}
        self._scrape()  # what is loaded and connected for the first one
        used = self._call(time.process_time)
        for _ in range(_REST_SCRAPES):
            time.sleep(_SCRAPE_SECONDS)
            self._scrape()
        used = self._call(time.process_time) - used
        return {"private MiB": self._call(private_mib), "CPU ms/scrape": 1000 * used / _REST_SCRAPES}

    def turn(self) -> Figures:
        """Relays all of the log, scraped meanwhile by this process: so what the client takes is not the relay's."""
        stop = threading.Event()
        with ThreadPoolExecutor(1) as client:
            scraping = client.submit(self._scrape_until, stop)
            try:
                figures = self._call(_turn)
            finally:
                stop.set()
            scraping.result()
        return figures

    def _scrape_until(self, stop: threading.Event) -> None:
        wait = 0.5  # so that a turn of some seconds has as many scrapes, give or take a half
        while self._how == "scrape" and not stop.wait(wait):
            self._scrape()
            wait = _SCRAPE_SECONDS

    def _scrape(self) -> None:
        with urllib.request.urlopen(f"http://127.0.0.1:{self._port}/metrics") as answer:
            answer.read()

    def _call(self, function: Callable[[], T]) -> T:
        return self._process.submit(function).result()


class _Relaying:
    """What such a process holds."""

    def __init__(self, mongo: str, database: str, kafka: str, topic: str, how: How | None) -> None:
        self._kafka, self._topic, self._name = kafka, topic, f"bench-{uuid.uuid4().hex[:8]}"
        self._stack = contextlib.ExitStack()
        client = self._stack.enter_context(MongoClient[dict[str, Any]](mongo))
        self._outbox = self._stack.enter_context(Outbox(client[database], sequence=False))
        shown = Relay(self._outbox, KafkaSink(kafka), name=self._name)  # counts what all of this name do
        watching = contextlib.nullcontext(0) if how is None else _WATCHING[how](shown)
        keep_memory()  # before threads are started that would have heaps of their own, as the command does
        self.port = self._stack.enter_context(watching)
        time.sleep(_SETTLE_SECONDS)  # a listener's first look at the outbox is no part of a turn

    def turn(self) -> Figures:
        return relay_again(self._outbox, self._kafka, self._topic, self._name)

    def close(self) -> None:
        self._stack.close()


_relaying: _Relaying


def _begin(mongo: str, database: str, kafka: str, topic: str, how: How | None) -> None:
    global _relaying  # noqa: PLW0603  # what one call of a process leaves to the next
    _relaying = _Relaying(mongo, database, kafka, topic, how)


def _port() -> int:
    return _relaying.port


def _turn() -> Figures:
    return _relaying.turn()


def _end() -> None:
    _relaying.close()


def _listening(relay: Relay) -> contextlib.AbstractContextManager[int]:
    from relay.monitoring.http import Shown, served  # noqa: PLC0415  # its cost
    from relay.monitoring.probes import Liveness  # noqa: PLC0415  # as above

    return served(Shown([relay], Liveness([relay.outbox]), lambda _: ""), "127.0.0.1", 0, None)


def _traced(_: Relay) -> contextlib.AbstractContextManager[int]:
    from opentelemetry import trace  # noqa: PLC0415  # only where it is measured
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415  # as above

    trace.set_tracer_provider(TracerProvider())
    return contextlib.nullcontext(0)


_WATCHING = {"listen": _listening, "scrape": _listening, "trace": _traced}
