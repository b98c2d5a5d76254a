"""A consumer of any face of an outbox, and a handler of it that fails as it is told."""

from __future__ import annotations

from typing import Any

from tests.actors import running
from tests.actors.faces import Face


def billing(face: Face, **options: Any) -> Any:
    return face.call(face.outbox.consumer, "billing", **options)


def caught_up(face: Face, consumer: Any) -> None:
    face.caught_up(consumer)


class Fails(running.Handled):
    """Fails at one seq, so often or for ever; also in a transaction, whose session it is given."""

    def __init__(self, seq: int, times: int = 10**9, error: type[Exception] = ValueError) -> None:
        super().__init__(self._error)
        self._seq = seq
        self._left = times
        self._kind = error

    def _error(self, record: Any) -> Exception | None:
        if record.seq != self._seq or not self._left:
            return None
        self._left -= 1
        return self._kind("no")
