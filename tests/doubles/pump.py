"""A pump over a log and a sink in memory, and all that it touches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bson import ObjectId

from outbox.dead_letters.requeued import DecodedBatch
from outbox.delivery.outcome import Failed, Idle, Poisoned, Waiting
from outbox.delivery.pump import Pump
from outbox.errors import LeaseLost
from outbox.log.position import Position
from outbox.log.record import Record
from outbox.testing import FakeClock
from relay.encoding.encoder import Encoder
from relay.testing import MemorySink
from tests.doubles.batches import LOG
from tests.waiting import wait_until

CREATED = 1_735_776_000_000


class TickingClock(FakeClock):
    """Goes on by 0.2 s whenever it is read, so that a save is always due."""

    def monotonic(self) -> float:
        self.advance(0.2)
        return super().monotonic()


class LogInMemory:
    """Records 1 … n, read 700 at a time."""

    def __init__(self, count: int) -> None:
        self.data: list[dict[str, Any]] = [{"n": seq} for seq in range(1, count + 1)]
        self.next = 1
        self.errors: list[Exception] = []

    def read_batches(self) -> list[DecodedBatch]:
        if self.errors:
            raise self.errors.pop(0)
        records: list[Record[Any]] = [
            Record(seq, ObjectId().binary, CREATED, {"type": "t", "key": "k", "headers": {}, "data": data})
            for seq, data in enumerate(self.data[self.next - 1 : self.next + 699], start=self.next)
        ]
        self.next += len(records)
        return [DecodedBatch(records)] if records else []

    def wait(self, seconds: float) -> bool:
        return True

    def move(self, position: int) -> None:
        self.next = position


class Held:
    def __init__(self) -> None:
        self.lost = False

    def check(self) -> None:
        if self.lost:
            raise LeaseLost("lost")


class Scene:
    """A pump and all that it touches."""

    def __init__(self) -> None:
        self.log = LogInMemory(1200)
        self.sink = MemorySink()
        self.lease = Held()
        self.saved: list[int] = []
        self.save_errors: list[Exception] = []
        self.parked: set[int] = set()
        self.pump = self._new_pump(Encoder(str, LOG))

    def _new_pump(self, encoder: Encoder) -> Pump:
        return Pump(
            self.log,
            self.sink,
            encoder,
            self.lease,
            start=(0, None, None),
            save=self.save,
            parking=self,
            clock=TickingClock(),
        )

    def pump_anew(self, encoder: Encoder) -> None:
        """Makes another pump, which begins at the start, for the sink of now."""
        self.pump.close()
        self.pump = self._new_pump(encoder)

    def save(self, position: Position) -> None:
        if self.save_errors:
            raise self.save_errors.pop(0)
        self.saved.append(position[0])

    @property
    def is_idle(self) -> bool:
        return not self.parked

    def park(self, records: Sequence[Record[Any]]) -> list[int]:
        return [record.seq for record in records if record.seq in self.parked]

    def arrived(self) -> list[int]:
        return [record.seq for record in self.sink.records]

    def run(self) -> list[str]:
        """Steps until all is settled. Returns the outcomes on the way, a repeated one once."""
        names: list[str] = []

        def settled() -> bool:
            outcome = self.pump.step()
            names.append(type(outcome).__name__)
            if isinstance(outcome, Failed):
                self.pump.rebuild()
            if isinstance(outcome, Poisoned):
                raise outcome.error
            if isinstance(outcome, Idle):
                self.pump.rest(0.25)
                return outcome.settled
            if isinstance(outcome, Waiting):
                self.pump.wait()
            return False

        wait_until(settled, 30, "the pump to settle")
        return [name for at, name in enumerate(names) if at == 0 or names[at - 1] != name]
