"""The relay: forwards an outbox to a sink, as a durable reader of it."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from functools import partial

from pymongo.errors import PyMongoError

from outbox import Outbox
from outbox.counting.tally import ReaderTally
from outbox.dead_letters.policy import OnPoison
from outbox.delivery.durable_reader import DurableReader
from outbox.delivery.ports import Sink
from outbox.delivery.retry import Retry
from outbox.errors import OutboxNotCreated
from outbox.events import Event, OnEvent, TookOver, teller
from outbox.mongo.lease import MOST_SECONDS, SECONDS
from outbox.monitoring.no_sequencer_warning import UnsequencedWarning
from outbox.readers.start import StartAt
from relay.cluster import OfCluster, note_cluster
from relay.config import RelayConfig
from relay.encoding.record_format import RecordFormat
from relay.encoding.topics import Topics
from relay.errors import InvalidSettings, Unreachable

RETRIES = (
    "AutoReconnect",
    "NotPrimaryError",
    "NetworkTimeout",
    "OperationFailure",
    "Unreachable",
    "_TRANSPORT",
    "_FATAL",
)
"""The errors after which relays try again most: their retries are counted from the start, as 0."""


class Relay:
    """Relays an outbox to a sink; exactly once when that is one of outbox.delivery.ports.TransactionalSink.

    outbox: opened with no messages; this process sequences too, unless it has `sequence=False`.
    topics: names the topics. format: what is made of messages, see RecordFormat; by default JSON. name: the relay's
        name; its cursor and its lease are `relay:NAME`.
    start: where to begin when there is no cursor yet: "beginning" (seq 1; refused when that was rolled over), "oldest",
        "latest", a seq, or a date.
    on_poison: what to do with a message that can never be delivered: "stop" with PoisonMessage; "dead-letter": keep it
        in NAME.dead and go on; "park-key": and keep the later ones of its key too, until they are requeued.
    shares: into how many the keys are divided, so that as many processes can work at a time. It counts when there is no
        cursor yet (None: 1), and must be right later; `relay shares set` changes it. Each share has a sink like `sink`.
    lease_seconds: after how long without a sign of life another relay of that name takes over, and another process
        numbers; at most a day. It holds while taking over a transaction, too, for which a relay asks for longer itself.
    chance: floats in [0, 1) for the jitter of retries. on_event: is told what the relay does, see outbox.events.

    Raises InvalidSettings when the template gives a name that Kafka would not take, and for a lease time of no use.
    """

    def __init__(
        self,
        outbox: Outbox,
        sink: Sink,
        *,
        topics: Topics = Topics(),  # noqa: B008  # immutable
        format: RecordFormat = RecordFormat(),  # noqa: B008  # immutable
        name: str = "kafka",
        start: StartAt = "beginning",
        on_poison: OnPoison = "stop",
        shares: int | None = None,
        lease_seconds: float = SECONDS,
        chance: Callable[[], float] = random.random,
        on_event: OnEvent | None = None,
    ) -> None:
        if not 0 < lease_seconds <= MOST_SECONDS:  # which no NaN is
            raise InvalidSettings(f"lease_seconds={lease_seconds}: give seconds above 0, at most a day; 3 is usual")
        self.name = name
        self.outbox = outbox
        """The outbox that it relays."""
        self.sink = sink
        """Where its records go; each of several shares has another like it."""
        self._tell = teller(on_event, outbox.decode)
        self._config = RelayConfig(
            outbox, name, start, on_poison, chance, topics, format, tell=self._told,
            unsequenced=None if outbox.sequences else UnsequencedWarning(outbox.collections),
        )  # fmt: skip
        self.tally.retries.declare(RETRIES)
        self._reader = DurableReader(self._config, sink, shares=shares, lease_seconds=lease_seconds)

    @property
    def tally(self) -> ReaderTally:
        """What this process has counted for the relay."""
        return self._config.tally

    @property
    def where(self) -> str:
        """The outbox, for people."""
        return self._config.where

    def run(self, stop: threading.Event, *, once: bool = False, waits: bool = False) -> None:
        """Relays until `stop` is set, then delivers what is in flight (10 s at most), saves, and gives the leases back.

        The end of the program sets `stop`, too, and waits for all of that, 5 s at most.

        once: returns as soon as staging is empty and the cursor has reached the log's head. waits: a broker that is
            away at the start is waited for, too; else Unreachable is raised.

        Blocks; one thread a Relay, and with several shares one more for each that it works on. Raises Unreachable and
        TopicMissing at the start, InvalidSettings when `shares` is not what the relay has, and later only what somebody
        must see to: PoisonMessage, LetterTaken, DeliveryRefused, TopicMissing, HistoryLost, LogReplaced,
        CursorMismatch, InvalidStart, OutboxNotCreated, errors of the database that do not pass by themselves, and with
        `once` ReaderPaused. Lost connections, elections, and a broker that is away are waited for. An error that nobody
        foresaw goes to the log output, whole, and the relay goes on from its cursor; with `once` it is raised.
        """
        self._reader.run(stop, once=once, check=partial(self._check_in_time, stop) if waits else self._check)

    def _told(self, event: Event) -> None:
        if isinstance(event, TookOver) and isinstance(self.sink, OfCluster) and self.sink.cluster is not None:
            note_cluster(self.outbox.collections, self._config.reader, self.sink.cluster)
        self._tell(event)

    def _check_in_time(self, stop: threading.Event) -> None:
        """Checks until the servers answer, or `stop` is set."""
        config = self._config
        retry = Retry(config.log(), stop, config.chance, tell=config.told, retries=self.tally.retries)
        while not stop.is_set():
            try:
                self._check()
            except (Unreachable, PyMongoError) as error:
                retry.wait(error)
            else:
                retry.progressed()
                return

    def _check(self) -> None:
        types = self.outbox.types()
        if not types:
            name = self.outbox.collections.staging.full_name
            raise OutboxNotCreated(f"{name} has no message types: first run create(), or `outbox create APP`")
        topics = self._config.fixed_topics(types)
        self._config.tally.sent.declare(topics if self._config.topics.are_fixed else {self._config.topics.template})
        self._config.check(self.sink, topics)
