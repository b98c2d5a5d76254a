"""Counts what a durable reader does, for the metrics of this process."""

from __future__ import annotations

import time
from bisect import bisect_right
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from outbox.clock import Clock
from outbox.counting.tally import ReaderTally
from outbox.errors import DeliveryFailed
from outbox.events import (
    Disconnected,
    Event,
    Failed,
    OnEvent,
    Parked,
    Paused,
    Reconnected,
    Standby,
    Started,
    Stopped,
    TookOver,
)
from outbox.log.position import Mark
from outbox.mongo.server_errors import short_message
from outbox.tracing.tracing import Sending

Destination = Callable[[Any], str]
"""Tells of what is sent for a record where it goes."""

_STATES: dict[type[Event], str] = {
    Started: "working", TookOver: "working", Paused: "paused", Standby: "standby", Stopped: "stopped",
}  # fmt: skip


def counted(tally: ReaderTally, tell: OnEvent) -> OnEvent:
    """Makes what counts an event, and then tells it."""

    def told(event: Event) -> None:
        if isinstance(event, Failed):
            tally.handled.add("failed")
        elif isinstance(event, Parked):
            tally.handled.add("parked")
        elif isinstance(event, Disconnected):
            tally.trouble = short_message(event.error) if isinstance(event.error, Exception) else repr(event.error)
        elif isinstance(event, Reconnected):
            tally.trouble = ""
        elif type(event) in _STATES:
            tally.state = _STATES[type(event)]
        tell(event)

    return told


def error_name(error: Exception) -> str:
    """Names an error, for a label: Kafka's own name of what a sink has met, else what the error is."""
    return (isinstance(error, DeliveryFailed) and error.code) or type(error).__name__


@dataclass(slots=True)
class _Sent:
    """Records that were given to the target together."""

    at: float
    seqs: list[int]
    created: list[int]
    """In milliseconds; one for each seq."""
    destinations: list[str]
    span: Sending | None


class DeliveryCount:
    """Counts what one pump delivers. Not thread-safe.

    It is told of records some hundreds at a time, so that one costs a few tenths of a microsecond.
    """

    def __init__(
        self,
        tally: ReaderTally,
        clock: Clock,
        destination: Destination | None = None,
        sending: Callable[[Sequence[Any]], Sending | None] = lambda _: None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._tally = tally
        self._clock = clock
        self._destination = destination
        self._sending = sending
        self._now = now
        self._sent: deque[_Sent] = deque()

    def sent(self, items: Sequence[Sequence[Any]], marks: Sequence[Mark]) -> None:
        """Notes records that the target has taken. marks: theirs, and perhaps those of records that were left out."""
        if not items:
            return
        seqs = list(map(itemgetter(0), items))
        if len(marks) != len(items):
            taken = set(seqs)
            marks = [mark for mark in marks if mark[0] in taken]
        destinations = [] if self._destination is None else list(map(self._destination, items))
        created, span = list(map(itemgetter(1), marks)), self._sending(items)
        self._sent.append(_Sent(self._clock.monotonic(), seqs, created, destinations, span))
        self._tally.batch_messages.add(len(items))

    def delivered(self, seq: int) -> None:
        """Notes that everything up to `seq` is acknowledged."""
        while self._sent and self._sent[0].seqs[0] <= seq:
            first = self._sent[0]
            count = len(first.seqs) if first.seqs[-1] <= seq else bisect_right(first.seqs, seq)
            self._count(first, count)
            if count == len(first.seqs):
                self._sent.popleft()
                if first.span is not None:
                    first.span.end(failed=False)
            else:
                del first.seqs[:count], first.created[:count], first.destinations[:count]

    def dropped(self) -> None:
        """Notes that what is not acknowledged by now is given up, and will be sent again."""
        for each in self._sent:
            if each.span is not None:
                each.span.end(failed=True)
        self._sent.clear()

    def _count(self, sent: _Sent, count: int) -> None:
        is_whole = count == len(sent.seqs)
        created = sent.created if is_whole else sent.created[:count]
        destinations = sent.destinations if is_whole else sent.destinations[:count]
        tally = self._tally
        tally.handled.add("ok", count)
        tally.publish_seconds.add(self._clock.monotonic() - sent.at, count)
        tally.delivery_seconds.add_ages(int(self._now() * 1000), list(created))
        for destination, times in Counter(destinations).items():
            tally.sent.add(destination, times)
