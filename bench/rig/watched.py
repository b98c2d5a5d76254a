"""Relays in another process that is looked at meanwhile: by a listener, by scrapes, by traces."""

from __future__ import annotations

import contextlib
import threading
import urllib.request
from collections.abc import Iterator
from typing import Literal, get_args

from bench.rig.benchmark import Figures
from bench.rig.relaying import relay_all
from relay import Relay

How = Literal["listen", "scrape", "trace"]
"""listen: it serves metrics, probes and the page, and nobody asks. scrape: each second, by a client in its process.
trace: OpenTelemetry is loaded, and each batch is a span that is thrown away."""
WAYS: tuple[How, ...] = get_args(How)


def relay_watched(mongo: str, database: str, kafka: str, topic: str, how: How) -> Figures:
    """Relays a whole outbox as `relay_all`; for a process of its own."""
    return relay_all(mongo, database, kafka, topic, sequence=False, watching=_WATCHING[how])


@contextlib.contextmanager
def _listening(relay: Relay) -> Iterator[int]:
    from relay.monitoring.http import Shown, served  # noqa: PLC0415  # its cost
    from relay.monitoring.probes import Liveness  # noqa: PLC0415  # as above

    with served(Shown([relay], Liveness([relay.outbox]), lambda _: ""), "127.0.0.1", 0, None) as port:
        yield port


@contextlib.contextmanager
def _scraped(relay: Relay) -> Iterator[None]:
    stop = threading.Event()

    def scrape(port: int) -> None:
        while not stop.wait(1):
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
                answer.read()

    with _listening(relay) as port:
        scraping = threading.Thread(target=scrape, args=(port,))
        scraping.start()
        try:
            yield
        finally:
            stop.set()
            scraping.join()


@contextlib.contextmanager
def _traced(_: Relay) -> Iterator[None]:
    from opentelemetry import trace  # noqa: PLC0415  # only where it is measured
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415  # as above

    trace.set_tracer_provider(TracerProvider())
    yield


_WATCHING = {"listen": _listening, "scrape": _scraped, "trace": _traced}
