"""Traces if the program does: OpenTelemetry is never imported here, only found where the program has imported it."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar, cast

F = TypeVar("F", bound=Callable[..., Any])


class Sending(Protocol):
    """A span of records that are under way."""

    def end(self, *, failed: bool) -> None:
        """Ends it: all of them are acknowledged, or given up."""


def _spans() -> Any:
    """Returns outbox.tracing.spans; None in a program without OpenTelemetry."""
    if "opentelemetry.trace" not in sys.modules:
        return None
    return importlib.import_module("outbox.tracing.spans")


@contextmanager
def putting(where: str, count: int, headers: Mapping[str, str] | None) -> Iterator[Mapping[str, str] | None]:
    """Spans the put of so many messages into the outbox `where`; gives the headers, with the trace's among them."""
    spans = _spans()
    if spans is None:
        yield headers
        return
    with spans.putting(where, count, headers) as traced:
        yield traced


def handled(handle: F, where: str, name: str) -> F:
    """Makes a handler of records, synchronous or not, that spans each call; the consumer `name` of `where` calls it."""
    spans = _spans()
    return handle if spans is None else cast(F, spans.handled(handle, where, name))


def sending(items: Sequence[Sequence[Any]]) -> Sending | None:
    """Begins a span of records that were given to Kafka, as outbox.delivery.ports.Outgoing; None if none is traced."""
    spans = _spans()
    return None if spans is None else cast("Sending | None", spans.sending(items))
