"""Results of one step of the pump: the pump loop chooses by them what to do next."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pymongo.errors import PyMongoError

from outbox.errors import DeliveryFailed, PoisonMessage, Unreachable
from outbox.log.record import Record


@dataclass(frozen=True, slots=True)
class Moved:
    """Records were sent: step again at once."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """Nothing can be sent until something is acknowledged or saved."""


@dataclass(frozen=True, slots=True)
class Idle:
    """The log holds nothing more. `settled`: all that was sent is acknowledged, and the cursor saved."""

    settled: bool


@dataclass(frozen=True, slots=True)
class Unavailable:
    """The database, or for a new topic the broker, did not answer. Nothing was lost: step again."""

    error: PyMongoError | Unreachable


@dataclass(frozen=True, slots=True)
class Unsaved:
    """Records were delivered, but the cursor could not be saved. Nothing more is sent until it is saved: step again."""

    error: PyMongoError


@dataclass(frozen=True, slots=True)
class Failed:
    """The sink gave up on a record: `Pump.rebuild` goes back to the contiguous prefix."""

    error: DeliveryFailed


@dataclass(frozen=True, slots=True)
class Poisoned:
    """The next record will never be delivered; all before it is delivered and saved. `Pump.skip` goes on after it."""

    record: Record[Any]
    error: PoisonMessage


Outcome = Moved | Waiting | Idle | Unavailable | Unsaved | Failed | Poisoned
