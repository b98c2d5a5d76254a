"""Tells a program what its readers are doing: small events, given to the `on_event` of whoever reads."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from outbox.arguments import check_function
from outbox.log.record import Decode, Record

logger = logging.getLogger("outbox")


@dataclass(frozen=True, slots=True)
class Started:
    """The reader begins to read, from its position on; again after each takeover and each pause."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """Records have come from the log, those that are filtered out included."""

    n: int


@dataclass(frozen=True, slots=True)
class Handled:
    """A record was handled. `seconds`: how long that took, the last attempt only."""

    record: Record[Any]
    seconds: float


@dataclass(frozen=True, slots=True)
class Failed:
    """Handling a record failed. `attempt` counts from 1, in this process."""

    record: Record[Any]
    error: BaseException
    attempt: int


@dataclass(frozen=True, slots=True)
class Parked:
    """A record was put aside into `NAME.dead`: it was given up, or it waits behind one of its key that was."""

    record: Record[Any]


@dataclass(frozen=True, slots=True)
class CaughtUp:
    """All records up to `head`, the log's newest seq, are handled. Told once each time the reader gets there."""

    head: int


@dataclass(frozen=True, slots=True)
class Idle:
    """There is nothing to read at the moment. Told once each time the reader runs out of records."""


@dataclass(frozen=True, slots=True)
class Paused:
    """Somebody has paused the reader; it keeps its lease and does nothing."""


@dataclass(frozen=True, slots=True)
class Standby:
    """Another process works for this reader; `holder` is who, as `host:pid:…`, or None while that is not known."""

    holder: str | None


@dataclass(frozen=True, slots=True)
class TookOver:
    """This process works for the reader now, or for one more of its shares."""


@dataclass(frozen=True, slots=True)
class Disconnected:
    """A server does not answer, or an election is under way. It is tried again; told once until `Reconnected`."""

    error: BaseException


@dataclass(frozen=True, slots=True)
class Reconnected:
    """It works again, after so many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Stopped:
    """The reader has ended, for whatever reason. The last event."""


Event = (
    Started | Fetched | Handled | Failed | Parked | CaughtUp | Idle
    | Paused | Standby | TookOver | Disconnected | Reconnected | Stopped
)  # fmt: skip
OnEvent = Callable[[Event], None]
"""Is called with each event, on the thread where it happens; it should return at once."""


def teller(on_event: OnEvent | None, decode: Decode | None = None) -> OnEvent:
    """Makes what readers call: nothing without an `on_event`. What that raises is logged, and the reader goes on.

    decode: makes the `message` of records that were put aside, which are not decoded for anything else.

    On the main thread SystemExit and KeyboardInterrupt go on: there a signal's handler may have raised them meanwhile.
    Raises InvalidArgument for what is no function of an event.
    """
    if on_event is None:
        return _nobody
    check_function("on_event", on_event, "an event")

    def tell(event: Event) -> None:
        if decode is not None and isinstance(event, Parked):
            event = Parked(event.record.decoded_by(decode))
        try:
            on_event(event)
        except BaseException as error:
            if not isinstance(error, Exception) and threading.current_thread() is threading.main_thread():
                raise
            logger.exception("on_event failed at %s; the reader goes on", type(event).__name__)

    return tell


def _nobody(_: Event) -> None:
    """Nobody listens."""
