"""Measures consumers: at least once beside an observer, in transactions beside a loop by hand with the same writes."""

from __future__ import annotations

import itertools
import threading
import time
import uuid
from collections.abc import Iterator
from functools import partial
from typing import Any

from pymongo.client_session import ClientSession
from pymongo.collection import Collection

from bench.rig.benchmark import Figures, InTurns, Round, paired, throughput
from bench.rig.stage import Stage, plain
from bench.workloads.reads import until_seen
from outbox import Consumer, Outbox, Record
from outbox.mongo.calls import transact

_BATCH = 100
_BARE_IS = "a loop by hand over read, with a position of its own"


class Consume(InTurns):
    """A consumer that does nothing with what it is given, from the oldest record to the head."""

    bare_is = "a subscriber of observe"

    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    def ours(self) -> Figures:
        last = self._stage.load.messages
        with Outbox(self._stage.full.collections.database, sequence=False) as outbox:
            consumer, stop = _new(outbox), threading.Event()

            def handle(record: Record[Any]) -> None:
                if record.seq == last:
                    stop.set()

            took = throughput(last, lambda: consumer.run(handle, stop=stop))
            consumer.forget()
            return took

    def bare(self) -> Figures:
        last = self._stage.load.messages
        with Outbox(self._stage.full.collections.database, sequence=False) as outbox:
            return throughput(last, lambda: until_seen(outbox, last))


class _Loop:
    """A loop by hand over `read`, which saves its position in the transactions of its effects, and has nothing else: no
    lease, no dead letters, no second process."""

    def __init__(self, outbox: Outbox, records: Iterator[Record[Any]], batch: int) -> None:
        self._database = outbox.collections.database
        self._records, self._batch = records, batch
        self._effects = _made(outbox, "effects")
        self._positions = _made(outbox, "positions")
        self._positions.insert_one({"_id": "billing", "seq": 0})

    def run(self) -> None:
        """Handles all of them."""
        while self.step():
            pass

    def step(self) -> bool:
        """Handles the next batch, in one transaction. False: there was none left."""
        records = list(itertools.islice(self._records, self._batch))
        if records:
            with self._database.client.start_session() as session:
                transact(session, partial(self._work, records))
        return bool(records)

    def _work(self, records: list[Record[Any]], session: ClientSession) -> None:
        for record in records:
            self._effects.insert_one({"order": record.key}, session=session)
        self._positions.update_one({"_id": "billing"}, {"$set": {"seq": records[-1].seq}}, session=session)


class ConsumeOneInTransaction:
    """A consumer that inserts a document a record, in a transaction for each; the loop by hand does the same. In turns:
    the loop's transaction is made, and timed, between two of the consumer's."""

    bare_is = _BARE_IS

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._count = stage.load.part(20)

    def round(self) -> Round:
        ours: list[float] = []
        bare: list[float] = []
        with Outbox(self._stage.full.collections.database, sequence=False) as outbox:
            consumer, stop = _new(outbox), threading.Event()
            effects, loop, began = _made(outbox, "effects"), _Loop(outbox, outbox.read(), 1), 0.0

            def handle(record: Record[Any], session: ClientSession) -> None:
                nonlocal began
                entered = time.perf_counter()  # the last one's transaction is committed, and this one's not begun
                if began:
                    ours.append(1000 * (entered - began))
                if record.seq > self._count:
                    stop.set()
                    return
                loop.step()
                began = time.perf_counter()
                bare.append(1000 * (began - entered))
                effects.insert_one({"order": record.key}, session=session)

            consumer.run_in_transaction(handle, batch=1, stop=stop)
            consumer.forget()
        return paired("transaction ms", ours, bare)


class ConsumeInTransactions(InTurns):
    """The same in transactions of a hundred records."""

    bare_is = _BARE_IS

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._count = stage.load.part(5)

    def ours(self) -> Figures:
        with Outbox(self._stage.full.collections.database, sequence=False) as outbox:
            consumer, stop = _new(outbox), threading.Event()
            effects = _made(outbox, "effects")

            def handle(record: Record[Any], session: ClientSession) -> None:
                if record.seq <= self._count:  # a batch may end behind it
                    effects.insert_one({"order": record.key}, session=session)
                if record.seq >= self._count:
                    stop.set()

            took = throughput(self._count, lambda: consumer.run_in_transaction(handle, batch=_BATCH, stop=stop))
            consumer.forget()
            return took

    def bare(self) -> Figures:
        with Outbox(self._stage.full.collections.database, sequence=False) as outbox:
            loop = _Loop(outbox, itertools.islice(outbox.read(), self._count), _BATCH)
            return throughput(self._count, loop.run)


def _made(outbox: Outbox, name: str) -> Collection[dict[str, Any]]:
    return plain(outbox.collections.database, f"{name}_{uuid.uuid4().hex[:6]}")


def _new(outbox: Outbox) -> Consumer[Any]:
    return outbox.consumer(f"bench-{uuid.uuid4().hex[:6]}", start="earliest")
