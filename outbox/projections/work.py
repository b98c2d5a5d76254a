"""What a process does for a projection: applies records, makes the states of a new version, or stands by."""

from __future__ import annotations

import random
import threading
from dataclasses import dataclass, field, replace
from functools import partial

from pymongo.errors import PyMongoError

from outbox.clock import SystemClock
from outbox.consumers.attempts import Attempts
from outbox.consumers.in_transaction import InTransaction
from outbox.consumers.in_turn import Terms
from outbox.delivery.durable_reader import DurableReader
from outbox.delivery.ports import OpenOutbox
from outbox.delivery.retry import Retry
from outbox.errors import CursorInUse, HistoryLost, InvalidProjection, Superseded, UnknownReader
from outbox.events import Event, OnEvent, Standby, Stopped, teller
from outbox.log.reader_id import described, forget_command
from outbox.log.record import Decode
from outbox.projections.config import ProjectionConfig, RebuildConfig
from outbox.projections.folding import Folding
from outbox.projections.header import Header, HeaderStore
from outbox.projections.rebuild import MadeAnew, Swap
from outbox.projections.rules import Rules
from outbox.readers.query import Query
from outbox.readers.selection import warn_of_unknown
from outbox.shares import cursor_admin
from outbox.shares.states import BESIDE, KIND

ATTEMPTS = 3
"""At a record, before the projection stops. Few, for `apply` depends on nothing that could pass."""
LOOK_SECONDS = 1.0


@dataclass(frozen=True)
class Work:
    """See outbox.projections.projection.Projection, whose arguments these are. Thread-safe."""

    outbox: OpenOutbox
    rules: Rules
    query: Query
    decode: Decode
    shares: int | None
    batch: int
    on_event: OnEvent | None
    tell: OnEvent = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "tell", teller(self.on_event, self.decode))

    @property
    def header(self) -> HeaderStore:
        """Returns the header of the states in use."""
        return HeaderStore(self.outbox.collections, f"{KIND}:{self.rules.name}")

    @property
    def beside(self) -> HeaderStore:
        """Returns the header of those that are made anew."""
        return HeaderStore(self.outbox.collections, f"{KIND}:{self.rules.name}{BESIDE}")

    def live(self) -> ProjectionConfig:
        """Makes the configuration of the reader that keeps the states in use."""

        def tell(event: Event) -> None:
            if not isinstance(event, Stopped):  # there may be another reader afterwards
                self.tell(event)

        return ProjectionConfig(
            self.outbox, self.rules.name, self.query.start, "stop", random.random, self.query, self.decode,
            self.rules, self.header, tell=tell,
        )  # fmt: skip

    def run(self, stop: threading.Event) -> None:
        """Does what is to be done until `stop` is set. Raises as Projection.run."""
        log = self.live().log()
        retry = Retry(log, stop, random.random, tell=self.tell)
        try:
            while not stop.is_set():
                try:
                    self._turn(stop)
                    retry.progressed()
                except Superseded as over:
                    log.info("%s", over)
                except PyMongoError as error:
                    retry.wait(error)
        finally:
            self.tell(Stopped())

    def _turn(self, stop: threading.Event) -> None:
        header = self.header.ensure(self.rules.version)
        if header is not None and header.version > self.rules.version:
            self._stand_by(header, stop)
        elif header is not None and header.version < self.rules.version:
            self._make_anew(stop)
        else:
            self._forget_what_was_left()
            folding = Folding(self.outbox, self.rules, self.header)
            target = InTransaction(folding, self.batch, self._terms(self.live(), stop))
            DurableReader(self.live(), target, shares=self.shares).run(stop, check=self._check)

    def _stand_by(self, header: Header, stop: threading.Event) -> None:
        """Changes nothing while the states are of a newer version than this process makes."""
        log = self.live().log()
        log.warning(
            "its states are of version %d, and this process makes version %d, so it stands by. To go back, make a "
            "version above %d; or `%s` first, which removes the states",
            header.version, self.rules.version, header.version, forget_command(self.header.reader),
        )  # fmt: skip
        self.tell(Standby(None))
        while not stop.wait(LOOK_SECONDS):
            now = self.header.load()
            if now is None or now.version <= self.rules.version:
                return

    def rebuild(self, stop: threading.Event) -> bool:
        """Makes the states anew. False when `stop` was set before they were in use. Raises as Projection.rebuild."""
        header = self.header.ensure(self.rules.version)
        reader = described(self.header.reader)
        if header is None:
            raise UnknownReader(f"{reader} of {self.outbox.collections.log.full_name} has not begun: run() it first")
        if header.version > self.rules.version:
            raise InvalidProjection(
                f"the states of {reader} are of version {header.version}, and this process makes {self.rules.version}"
            )
        try:  # what another process left may be made by other code; what one is making is waited for
            self._forget(self.beside)
            while not stop.is_set():
                self._make_anew(stop)
        except Superseded:
            return True
        return False

    def _make_anew(self, stop: threading.Event) -> None:
        """Raises Superseded when that is done; returns when `stop` is set, or when it has to be tried again."""
        beside = self.beside
        header = beside.load()
        if header is not None and header.version != self.rules.version and not self._forget(beside):
            stop.wait(LOOK_SECONDS)
            return
        named = replace(self.rules, name=f"{self.rules.name}{BESIDE}")
        query = replace(self.query, start="earliest")
        config = RebuildConfig(
            self.outbox, named.name, "earliest", "stop", random.random, query, self.decode,
            named, beside, self.header,
        )  # fmt: skip
        folding = Folding(self.outbox, named, beside)
        target = MadeAnew(folding, self.batch, self._terms(config, stop), Swap(config, folding))
        try:
            DurableReader(config, target).run(stop, check=self._check)
        except HistoryLost:
            self._forget(beside)
            raise

    def _forget_what_was_left(self) -> None:
        """Removes states that somebody was making anew when his process died: they would hold the log for ever."""
        header = self.beside.load()
        if header is not None and header.version <= self.rules.version:
            self._forget(self.beside)

    def _forget(self, header: HeaderStore) -> bool:
        """Removes states and their position; False when somebody works on them."""
        try:
            cursor_admin.forget(self.outbox.collections, header.reader, SystemClock())
        except CursorInUse:
            return False
        return True

    def _check(self) -> None:
        self.outbox.log.describe()  # raises if create() was never run
        if self.query.unknown:
            warn_of_unknown(self.outbox.collections, self.query.unknown)

    def _terms(self, config: ProjectionConfig, stop: threading.Event) -> Terms:
        attempts = partial(Attempts, ATTEMPTS, config.log(), config.chance, config.told)
        seconds = config.tally.handle_seconds
        return Terms(attempts, stop, config.tell if self.on_event is not None else None, seconds=seconds)
