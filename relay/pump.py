"""The pump: from the log to the sink, and the cursor after what was delivered. One step at a time."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Collection, Sequence
from typing import Any, Protocol

from pymongo.errors import PyMongoError

from outbox.clock import Clock
from outbox.errors import LeaseLost, OutboxError
from outbox.record import Record
from outbox.transient import is_transient
from relay.encoding import Encoder, Mark, Position
from relay.errors import DeliveryFailed, DeliveryRefused, PoisonMessage, Unreachable, Verdict
from relay.inflight import InFlight
from relay.outcome import Failed, Idle, Moved, Outcome, Poisoned, Unavailable, Unsaved, Waiting
from relay.saver import Saver
from relay.sink import Outgoing, Sink

CHUNK = 500
"""Records between two looks at the acknowledgements: about 7 ms of work, and what a crash may repeat grows with it."""
_BUSY_SECONDS = 0.02
_REST_SECONDS = 0.25
_READ_SECONDS = 1.0


class Reader(Protocol):
    """What the pump needs of outbox.reader.LogReader."""

    def read(self) -> list[Record[Any]]: ...
    def wait(self, seconds: float) -> bool: ...
    def move(self, position: int) -> None: ...


class Holding(Protocol):
    """What the pump needs of outbox.lease.Lease."""

    def check(self) -> None: ...
    def renew_if_due(self) -> bool: ...


class Pump:
    """Relays from `start`, the position of what was delivered last. Not thread-safe; close it.

    `save` saves a position under the lease's fence; it is called on another thread, once at a time.
    `park` puts aside those of the records that must wait behind a dead letter, and says which, by seq: they count as
    delivered. It is called with up to CHUNK records, again with the same ones after a failure.
    """

    def __init__(
        self,
        reader: Reader,
        sink: Sink,
        encoder: Encoder,
        lease: Holding,
        *,
        start: Position,
        save: Callable[[Position], None],
        park: Callable[[Sequence[Record[Any]]], Collection[int]],
        clock: Clock,
    ) -> None:
        self._reader = reader
        self._sink = sink
        self._encoder = encoder
        self._lease = lease
        self._park = park
        self._clock = clock
        self._saver = Saver(save, start, clock)
        self._refused: dict[int, DeliveryFailed] = {}
        self._begin(start)

    def _begin(self, start: Position) -> None:
        self._inflight = InFlight(start)
        self._records: list[Record[Any]] = []
        self._outgoing: list[Outgoing] = []
        self._marks: list[Mark] = []
        self._halt: Exception | None = None
        self._failed: DeliveryFailed | None = None
        self._read_at: float | None = None
        self._sink.open(self._inflight.acknowledged)

    @property
    def position(self) -> Position:
        """What was delivered last, with everything before it."""
        return self._inflight.prefix

    @property
    def pending(self) -> int:
        """Records sent and not yet acknowledged."""
        return len(self._inflight)

    def step(self) -> Outcome:
        """Looks at acknowledgements, sees to the cursor, reads and sends up to CHUNK records.

        Raises what must stop the relay, when all before it is delivered and saved: DeliveryRefused, TopicMissing,
        HistoryLost, LogReplaced; at once: LeaseLost, and errors of the server that do not pass.
        """
        self._lease.check()
        self._acknowledge(0)
        if self._failed is not None:
            return Failed(self._failed)
        position = self._inflight.advance()
        try:
            self._lease.renew_if_due()
            self._saver.keep_up(position, now=self._halt is not None)
        except PyMongoError as error:
            _stop_unless_transient(error)
            return Unsaved(error)
        settled = not self._inflight and not self._outgoing and self._saver.saved[0] == position[0]
        if self._halt is not None and settled:
            if isinstance(self._halt, PoisonMessage):
                return Poisoned(self._records[0], self._halt)
            raise self._halt
        if self._saver.failing or (self._halt is not None and not self._outgoing):
            return Waiting()
        return self._produce(settled)

    def _produce(self, settled: bool) -> Outcome:
        if not self._outgoing:
            try:
                if not self._records and not self._read():
                    return Idle(settled) if self._halt is None else Waiting()
                self._encode()
            except PyMongoError as error:
                _stop_unless_transient(error)
                return Unavailable(error)
            except Unreachable as error:
                return Unavailable(error)
        try:
            taken = self._sink.send(self._outgoing)
        except DeliveryFailed as error:
            self._failed = error
            return Failed(error)
        del self._outgoing[:taken]
        # There may be more marks: those of parked records.
        end = bisect_left(self._marks, self._outgoing[0][0], key=_seq) if self._outgoing else len(self._marks)
        self._inflight.sent(self._marks[:end])
        del self._marks[:end]
        return Waiting() if self._outgoing or not end else Moved()

    def _read(self) -> bool:
        """Reads if there may be something: the tail said so, the last read found some, or a second has passed."""
        now = self._clock.monotonic()
        if self._read_at is not None and now - self._read_at < _READ_SECONDS:
            return False
        try:
            self._records = self._reader.read()
        except LeaseLost:
            raise
        except OutboxError as error:  # HistoryLost, LogReplaced: deliver and save what came before, then stop
            self._halt = error
            return False
        self._read_at = None if self._records else now
        return bool(self._records)

    def _encode(self) -> None:
        chunk = self._records[:CHUNK]
        parked = self._park(chunk)
        sendable = [record for record in chunk if record.seq not in parked] if parked else chunk
        refused: Record[Any] | None = None
        if self._refused:
            at = next((at for at, record in enumerate(sendable) if record.seq in self._refused), None)
            if at is not None:
                refused, sendable = sendable[at], sendable[:at]
        outgoing, marks, error = self._encoder.encode(sendable)
        if isinstance(error, Unreachable):
            if not outgoing:
                raise error  # else it comes again, when its turn has come
        elif error is not None:
            self._halt = error
        elif refused is not None:
            self._halt = _refusal(refused, self._refused[refused.seq])
        if parked:
            stopped = refused if error is None else sendable[len(outgoing)]
            end = len(chunk) if stopped is None else chunk.index(stopped)
            marks = [(record.seq, record.created_ms, record.id_bytes) for record in chunk[:end]]
            for seq, _, _ in marks:
                if seq in parked:
                    self._inflight.acknowledged(seq)
        self._outgoing, self._marks = outgoing, marks
        del self._records[: len(marks)]

    def _acknowledge(self, seconds: float) -> None:
        if self._failed is not None:  # a sink that has failed is not asked again: its next answer would be another
            return
        try:
            self._sink.poll(seconds)
        except DeliveryFailed as error:
            self._failed = error

    def rebuild(self) -> None:
        """After Failed: gives up what is in flight and begins again after the contiguous prefix, with a new producer.

        A record that was refused for good stops the pump when its turn comes again: so everything before it is
        delivered first, also what had to be given up with it.
        """
        failed = self._failed
        if failed is not None and failed.seq is not None and failed.verdict is not Verdict.RETRY:
            self._refused[failed.seq] = failed
        self._sink.close()
        prefix = self._inflight.advance()
        self._reader.move(prefix[0] + 1)
        self._begin(prefix)

    def skip(self) -> None:
        """After Poisoned, when the message was put aside and the cursor saved behind it: goes on with the next."""
        record = self._records.pop(0)
        self._refused.pop(record.seq, None)
        self._halt = None
        self._inflight.prefix = self._saver.saved = record.seq, record.created, record.id

    def wait(self) -> None:
        """After Waiting: until something is acknowledged, or for a moment."""
        if self._inflight:
            self._acknowledge(_BUSY_SECONDS)
        else:
            self._reader.wait(_BUSY_SECONDS)  # only a save is under way

    def rest(self) -> None:
        """After Idle: until the log grows; for a moment only while acknowledgements or a save are to come."""
        unsettled = self._inflight or self._saver.saved[0] != self._inflight.prefix[0]
        if self._reader.wait(_BUSY_SECONDS if unsettled else _REST_SECONDS):
            self._read_at = None

    def drain(self, seconds: float) -> None:
        """Waits up to `seconds` for what is in flight, sends nothing more, and saves. Raises what saving raises."""
        deadline = self._clock.monotonic() + seconds
        while self._inflight and self._failed is None and self._clock.monotonic() < deadline:
            self._acknowledge(_BUSY_SECONDS)
            self._inflight.advance()
            self._lease.check()
            self._lease.renew_if_due()
        self._saver.finish(self._inflight.advance())

    def close(self) -> None:
        """Drops what is in flight and ends the saving thread. Saves nothing."""
        self._sink.close()
        self._saver.close()


def _seq(mark: Mark) -> int:
    return mark[0]


def _stop_unless_transient(error: PyMongoError) -> None:
    if not is_transient(error):
        raise error


def _refusal(record: Record[Any], failed: DeliveryFailed) -> PoisonMessage | DeliveryRefused:
    if failed.verdict is Verdict.POISON:
        return PoisonMessage(record.seq, str(record.id), record.type, record.key, "refused", failed.reason)
    return DeliveryRefused(f"seq {record.seq} (id {record.id}, type {record.type!r}) was not taken: {failed.reason}")
