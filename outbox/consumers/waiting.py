"""The records that a consumer's target was sent and has not begun: what all targets that take one at a time share."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

from outbox.consumers.decoding import Delivery
from outbox.errors import DeliveryFailed, Verdict

WINDOW = 1000
"""The most records that wait for their turn."""


def interrupted() -> DeliveryFailed:
    """Makes what `poll` raises when nothing more is begun."""
    return DeliveryFailed(None, Verdict.RETRY, "the reader ends, and handles the rest when it starts again")


def nobody(_: int) -> None:
    """Takes the acknowledgements of a target that is not open."""


class WaitingRecords:
    """Is the part of a Target, and Interruptible, that takes records and lets them wait, in order. Not thread-safe."""

    def __init__(self) -> None:
        self._waiting: deque[Delivery] = deque()
        self._acknowledged: Callable[[int], object] = nobody
        self._interrupted = False

    def open(self, acknowledged: Callable[[int], object]) -> None:
        """See Target.open."""
        self.close()
        self._acknowledged = acknowledged
        self._interrupted = False

    def send(self, batch: Sequence[Delivery]) -> int:
        """See Target.send."""
        taken = batch[: WINDOW - len(self._waiting)]
        self._waiting.extend(taken)
        return len(taken)

    def interrupt(self) -> None:
        """See Interruptible.interrupt."""
        self._interrupted = True

    def close(self) -> None:
        """See Target.close."""
        self._waiting.clear()
