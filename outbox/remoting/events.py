"""What a client of a gateway tells of itself, beside `outbox.events.Disconnected`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from outbox.events import Disconnected


@dataclass(frozen=True, slots=True)
class Connected:
    """The gateway answers, for the first time or again."""


@dataclass(frozen=True, slots=True)
class Received:
    """So many records have come."""

    n: int


@dataclass(frozen=True, slots=True)
class Processed:
    """So many records were handled; the next call acknowledges them."""

    n: int


@dataclass(frozen=True, slots=True)
class Overflow:
    """So many records were skipped, of `observe` and `read`; 0 when the token may not know how many."""

    n: int


RemoteEvent = Connected | Disconnected | Received | Processed | Overflow
OnRemoteEvent = Callable[[RemoteEvent], object]
