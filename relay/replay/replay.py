"""Sends a range of history again: a pump from one record to another, beside the relays."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Collection, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from pymongo.errors import PyMongoError

from outbox.clock import Clock, SystemClock
from outbox.delivery.outcome import Poisoned
from outbox.delivery.ports import Sink
from outbox.delivery.pump import Pump
from outbox.delivery.pump_loop import PumpLoop
from outbox.delivery.read_ahead import ReadAhead
from outbox.delivery.retry import Retry
from outbox.errors import CursorInUse, DeliveryFailed, HistoryLost, LeaseLost
from outbox.log.position import Position, position_at, verify_position
from outbox.log.reader_id import described
from outbox.log.record import Record
from outbox.shares.reader_logger import ReaderLogger
from relay.config import RelayConfig
from relay.replay.asked import Asked
from relay.replay.marked import MarkedEncoder
from relay.replay.paced import Paced
from relay.replay.place import Place, Places
from relay.replay.range_reader import RangeReader

_LOST_SECONDS = 0.1


@dataclass
class Report:
    """Says what a replay has done in this run."""

    first: int = 0
    last: int = 0
    """Its range; `last` is before `first` when there is nothing in it."""
    reached: int = 0
    """The seq up to which all has arrived."""
    sent: int = 0
    """Records that have arrived, those that came twice included."""
    left_out: int = 0
    """Messages that can never be delivered, and were passed over."""
    is_finished: bool = False


def _nobody(_: Report) -> None:
    """Is told, and does nothing."""


class Replay:
    """Sends again what is `asked`, with the header `replayed`. Not thread-safe; `run` is called once.

    config: of the relay that has sent it first, by whose name, topics and policy it goes; its outbox may begin with an
        archive. declared: the types whose topics are checked first, unless some are asked for. rate: at most so many
        records a second. restart: begins anew, though the same was not finished. told: is called as it goes on.

    Its place is saved as it goes: killed and run again it goes on. No cursor is made, moved or held.
    """

    def __init__(
        self,
        config: RelayConfig,
        sink: Sink,
        asked: Asked,
        *,
        declared: Collection[str] = (),
        rate: float | None = None,
        restart: bool = False,
        clock: Clock | None = None,
        told: Callable[[Report], object] = _nobody,
    ) -> None:
        self.report = Report()
        self._config = config
        self._asked = asked
        self._declared = declared
        self._restart = restart
        self._clock = SystemClock() if clock is None else clock
        self._sink = Paced(sink, rate, self._clock)
        self._told = told
        self._reader = f"replay:{config.name}"
        self._log = ReaderLogger(self._reader, config.where)
        collections = config.outbox.collections
        self._lease = collections.lease(self._reader)
        self._places = Places(collections.leases, self._lease)

    def run(self, stop: threading.Event) -> Report:
        """Sends until the range is done, or until `stop` is set: then what is in flight is waited for, and saved.

        Order is the log's, each key's kept; at least once. What can never be delivered ends it with PoisonMessage when
        the relay's policy is `stop`; with another one it is left out and counted.

        Blocks. Raises CursorInUse while another process replays by this name, what Asked.resolve does, Unreachable and
        TopicMissing at the start, HistoryLost, LogReplaced, CursorMismatch, DeliveryRefused, and errors of the database
        that do not pass by themselves. Lost connections, elections, and a broker that is away are waited for.
        """
        self._config.check(self._sink, self._topics())
        retry = Retry(self._log, stop, random.random, self._clock)
        while not stop.is_set() and not self.report.is_finished:
            try:
                if not self._lease.acquire_if_idle():
                    raise CursorInUse(f"{self._log.label} is being sent by another process, {self._lease.holder}")
                with self._lease.held(described(self._reader), self._log.logger):
                    self._send(retry)
            except LeaseLost as lost:
                self._log.warning("%s; what was in flight is given up, and sent again", lost)
                stop.wait(_LOST_SECONDS)
            except (PyMongoError, DeliveryFailed) as error:
                retry.wait(error)
            except HistoryLost as lost:
                lost.add_note("What the log has rolled over can only be sent from an archive: --archive URL")
                raise
        return self.report

    def _topics(self) -> Collection[str]:
        return self._config.fixed_topics(self._asked.types or self._declared)

    def _send(self, retry: Retry) -> None:
        outbox, report = self._config.outbox, self.report
        place = self._begun()
        report.first, report.last, report.reached = place.first, place.last, place.reached[0]
        if place.reached[0] < place.last:
            reader = ReadAhead(self._asked.reader(outbox, place.reached[0] + 1, place.last))
            encoder = MarkedEncoder(
                self._config.encoder(self._sink, reader.identity), is_choosy=self._asked.wanted is not None
            )
            pump = Pump(
                RangeReader(reader, place.last, self._clock), self._sink, encoder, self._lease,
                start=place.reached, save=self._places.save, parking=_NothingParked(), clock=self._clock,
                wanted=self._asked.wanted,
            )  # fmt: skip
            with closing(reader), closing(pump):
                PumpLoop(retry).run(pump, self._poisoned, self._ended)
            report.reached = pump.position[0]
        if report.reached >= place.last:
            self._places.done()
            report.is_finished = True

    def _begun(self) -> Place:
        """Goes on where an unfinished replay of the same is; else begins at the first record."""
        asked, log = {**self._asked.document(), "topic": self._config.topics.template}, self._config.outbox.log
        found = None if self._restart else self._places.load()
        self._restart = False
        if found is not None and not found.is_done:
            if found.asked == asked:
                self._verify(found.reached)
                self._log.info("goes on after seq %d, of %d to %d", found.reached[0], found.first, found.last)
                return found
            self._log.warning(
                "what is left of an unfinished one is given up: seq %d to %d", found.reached[0] + 1, found.last
            )
        first, last = self._asked.resolve(log)
        place = Place(asked, position_at(first - 1, log), first, last)
        self._places.begin(place)
        self._log.info("sends seq %d to %d again", first, last)
        return place

    def _verify(self, reached: Position) -> None:
        outbox = self._config.outbox
        with outbox.collections.client.start_session(causal_consistency=True) as session:
            verify_position(reached, outbox.log, self._reader, session)

    def _ended(self, position: Position, settled: bool) -> bool:
        self.report.reached, self.report.sent = position[0], self._sink.sent
        self._told(self.report)
        return settled and position[0] >= self.report.last

    def _poisoned(self, outcome: Poisoned) -> None:
        if self._config.on_poison == "stop":
            outcome.error.add_note(
                f"All before it has arrived. It stays in the log. To leave such messages out: --on-poison dead-letter; "
                f"to go on after it, as another replay: --from {outcome.record.seq + 1}"
            )
            raise outcome.error
        self._places.save((outcome.record.seq, outcome.record.created, outcome.record.id))
        self.report.left_out += 1
        self._log.warning("left out: %s", outcome.error.finding)


class _NothingParked:
    """Is Parking: the live relay has parked what had to wait, and that is its own."""

    is_idle = True

    def park(self, records: Sequence[Record[Any]]) -> Collection[int]:
        return ()
