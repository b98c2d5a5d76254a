"""Makes the spans, by the semantic conventions for messaging. Imported only where the program has OpenTelemetry."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from opentelemetry import context, propagate, trace
from opentelemetry.trace import Link, Span, SpanKind, Status, StatusCode

from outbox.arguments import is_asynchronous
from outbox.errors import InvalidHeaders
from outbox.log.record import Record
from outbox.messages.limits import HEADERS, checked_headers

TRACER = trace.get_tracer("mongo-outbox")
SYSTEM = "mongo-outbox"
_MOST_LINKS = 128
"""As many as the SDK keeps by default."""


@contextmanager
def putting(where: str, count: int, headers: Mapping[str, str] | None) -> Iterator[Mapping[str, str] | None]:
    """See outbox.tracing.tracing."""
    attributes = _attributes(SYSTEM, where, "send") | ({"messaging.batch.message_count": count} if count != 1 else {})
    with TRACER.start_as_current_span(f"send {where}", kind=SpanKind.PRODUCER, attributes=attributes):
        carrier: dict[str, str] = {}
        propagate.inject(carrier)
        yield _with(headers, carrier)


def _with(headers: Mapping[str, str] | None, carrier: Mapping[str, str]) -> Mapping[str, str] | None:
    """Returns the headers, which win, and of the trace's what may be a header: a put does not fail for a trace."""
    given: object = {} if headers is None else headers
    if not carrier or not isinstance(given, Mapping):
        return headers
    added: dict[str, str] = {}
    for name, value in carrier.items():
        try:
            if len(given) + len(added) < HEADERS:
                added |= checked_headers({name: value})
        except InvalidHeaders:
            continue
    return {**added, **given}


def handled(handle: Callable[..., Any], where: str, name: str) -> Callable[..., Any]:
    """See outbox.tracing.tracing."""

    @contextmanager
    def span(record: Record[Any]) -> Iterator[None]:
        found = propagate.extract(record.headers)
        origin = trace.get_current_span(found).get_span_context()
        attributes = {
            **_attributes(SYSTEM, where, "process"),
            "messaging.consumer.group.name": name,
            "messaging.message.id": str(record.id),
        }
        # A trace of its own, for there may be many readers, and much later; baggage goes on.
        token = context.attach(trace.set_span_in_context(trace.INVALID_SPAN, found))
        try:
            with TRACER.start_as_current_span(
                f"process {where}",
                kind=SpanKind.CONSUMER,
                attributes=attributes,
                links=[Link(origin)] if origin.is_valid else [],
            ):
                yield
        finally:
            context.detach(token)

    if is_asynchronous(handle):

        @functools.wraps(handle)
        async def awaited(record: Record[Any], *more: Any) -> Any:
            with span(record):
                return await handle(record, *more)

        return awaited

    @functools.wraps(handle)
    def called(record: Record[Any], *more: Any) -> Any:
        with span(record):
            return handle(record, *more)

    return called


class _Sending:
    def __init__(self, span: Span) -> None:
        self._span = span

    def end(self, *, failed: bool) -> None:
        if failed:
            self._span.set_status(Status(StatusCode.ERROR, "given up; sent again later"))
        self._span.end()


def sending(items: Sequence[Sequence[Any]]) -> _Sending | None:
    """See outbox.tracing.tracing."""
    links: list[Link] = []
    for item in items:  # of five or more
        if len(links) == _MOST_LINKS:
            break
        for name, _ in item[4]:
            if name == "traceparent":
                origin = trace.get_current_span(propagate.extract(dict(item[4]))).get_span_context()
                links += [Link(origin)] if origin.is_valid else []
                break
    if not links:
        return None
    topics = {item[1] for item in items}
    topic = topics.pop() if len(topics) == 1 else "several topics"
    attributes = {**_attributes("kafka", topic, "send"), "messaging.batch.message_count": len(items)}
    return _Sending(TRACER.start_span(f"send {topic}", kind=SpanKind.CLIENT, attributes=attributes, links=links))


def _attributes(system: str, destination: str, operation: str) -> dict[str, Any]:
    return {
        "messaging.system": system,
        "messaging.destination.name": destination,
        "messaging.operation.type": operation,
        "messaging.operation.name": operation,
    }
