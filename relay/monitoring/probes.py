"""Whether this process works, and whether it is ready: what the probes of an orchestrator ask."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from pymongo.errors import PyMongoError

from outbox import Outbox
from outbox.clock import Clock, SystemClock
from outbox.counting.tally import ReaderTally
from outbox.mongo.server import unconfirmed, unconfirmed_seconds
from outbox.mongo.server_errors import short_message
from relay.monitoring.alive import FRESH_SECONDS, Pulse, stuck_seconds

ANSWER_SECONDS = 2.0
_READY = {"working", "standby", "paused"}


class Probed(Protocol):
    """What is asked of a relay.Relay."""

    name: str
    outbox: Outbox

    @property
    def tally(self) -> ReaderTally: ...
    @property
    def where(self) -> str: ...


class Liveness:
    """Knows whether the threads of this process go on: that of the command, the relays', and those that beat.

    `show` is called some times a second with the pulses of the relays at work, `dead` on any thread.
    """

    def __init__(self, outboxes: Iterable[Outbox], clock: Clock | None = None) -> None:
        self._clock: Clock = SystemClock() if clock is None else clock
        self._collections = [outbox.collections for outbox in outboxes]
        self._pulses: list[Pulse] = []
        self._shown = self._clock.monotonic()

    def show(self, pulses: Iterable[Pulse]) -> None:
        """Notes the relays at work."""
        self._pulses, self._shown = list(pulses), self._clock.monotonic()

    def dead(self) -> str | None:
        """Says which part stands still; None when all go on. Asks no server."""
        now = self._clock.monotonic()
        if now - self._shown >= FRESH_SECONDS:
            return f"the main thread has stood still for {now - self._shown:.0f} s"
        still = max((now - pulse.asked for pulse in self._pulses), default=0.0)
        if still >= stuck_seconds():
            return f"the loop of a relay has stood still for {still:.0f} s"
        late = max((each.beats_late() for each in self._collections), default=0.0)
        if late >= stuck_seconds():
            return f"the heartbeat has stood still for {late:.0f} s"
        return None


def unready(relays: Sequence[Probed], unreachable: Callable[[float], str]) -> list[str]:
    """Says why relays are not ready, a line for each reason: none when they work, or stand by for others that do.

    unreachable: says why Kafka does not answer within so many seconds, or acknowledges nothing, or "". Blocks, some
        seconds at most.
    """
    reasons = []
    for relay in relays:
        state = relay.tally.state
        if state not in _READY:
            reasons.append(f"relay {relay.name!r} of {relay.where}: {_why(state)}")
        elif relay.tally.trouble:
            reasons.append(f"relay {relay.name!r} of {relay.where} goes on trying: {relay.tally.trouble}")
        try:
            seconds = unconfirmed_seconds(relay.outbox.collections.client)
        except PyMongoError as error:
            why = f"MongoDB does not answer (the primary, its disk, the network?): {short_message(error)}"
            reasons.append(f"{relay.where}: {why}")
        else:
            if seconds:
                reasons.append(f"{relay.where}: {unconfirmed(seconds)}")
    away = unreachable(ANSWER_SECONDS)
    return list(dict.fromkeys([*reasons, away] if away else reasons))


def _why(state: str) -> str:
    said = "it has stopped, its log output and `relay status` say why"
    return said if state == "stopped" else "it has not begun yet"
