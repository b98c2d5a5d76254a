"""The job: what a relay is told to do, however many share it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from outbox import Outbox
from outbox.readers.start import Start
from relay.dead_letters.store import OnPoison
from relay.encoding.topics import Topics
from relay.errors import CursorMismatch

StartAt = Literal["beginning", "oldest", "latest"] | int | datetime


@dataclass(frozen=True)
class RelayConfig:
    """See relay.relay.Relay, whose arguments these are."""

    outbox: Outbox
    name: str
    topics: Topics
    start: StartAt
    on_poison: OnPoison
    chance: Callable[[], float]
    checked: set[str] = field(default_factory=set)
    """Topics that are known to be there; shared by all threads."""

    has_begun: threading.Event = field(default_factory=threading.Event)
    """Set as soon as this process has seen or made a cursor of the relay: from then on `start` counts no more, and a
    cursor that is missing is one that was removed. Shared by all threads."""

    def removed(self) -> CursorMismatch:
        """What is wrong then."""
        return CursorMismatch(
            f"the cursor of relay {self.name!r} was removed while the relay was running, with its log or alone"
        )

    def topic(self, type: str) -> str:
        """The topic of a message type. Raises InvalidSettings when Kafka would not take its name."""
        return self.topics.name(type, outbox=self.outbox.name, database=self.outbox.collections.database.name)

    @property
    def where(self) -> str:
        """The outbox, for people."""
        return str(self.outbox.collections.log.full_name)

    @property
    def first(self) -> Start:
        """`start`, in the outbox's words for a position."""
        if self.start == "beginning":
            return 1
        return "earliest" if self.start == "oldest" else self.start
