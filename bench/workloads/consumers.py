"""Measures consumers: at least once beside an observer, in transactions beside a loop by hand with the same writes."""

from __future__ import annotations

import itertools
import threading
import uuid
from collections.abc import Iterator
from functools import partial
from typing import Any

from pymongo.client_session import ClientSession

from bench.rig.benchmark import Figures, InTurns, throughput
from bench.rig.stage import Stage, plain
from bench.workloads.reads import until_seen
from outbox import Consumer, Outbox, Record
from outbox.mongo.calls import transact

_DIVISORS = {1: 20, 100: 5}
"""Which part of the load is handled in transactions of so many records: long enough for a start to count little."""


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


class ConsumeInTransactions(InTurns):
    """A consumer that inserts a document a record, in transactions of `batch` records; the loop by hand saves its
    position in the same transactions, and has nothing else: no lease, no dead letters, no second process."""

    bare_is = "a loop by hand over read, with a position of its own"

    def __init__(self, stage: Stage, batch: int) -> None:
        self._stage = stage
        self._batch = batch
        self._count = stage.load.part(_DIVISORS[batch])

    def ours(self) -> Figures:
        with Outbox(self._stage.full.collections.database, sequence=False) as outbox:
            consumer, stop = _new(outbox), threading.Event()
            effects = plain(outbox.collections.database, f"effects_{uuid.uuid4().hex[:6]}")

            def handle(record: Record[Any], session: ClientSession) -> None:
                if record.seq <= self._count:  # a batch may end behind it
                    effects.insert_one({"order": record.key}, session=session)
                if record.seq >= self._count:
                    stop.set()

            took = throughput(self._count, lambda: consumer.run_in_transaction(handle, batch=self._batch, stop=stop))
            consumer.forget()
            return took

    def bare(self) -> Figures:
        with Outbox(self._stage.full.collections.database, sequence=False) as outbox:
            database = outbox.collections.database
            effects, positions = (
                plain(database, f"{name}_{uuid.uuid4().hex[:6]}") for name in ("effects", "positions")
            )
            positions.insert_one({"_id": "billing", "seq": 0})

            def work(records: list[Record[Any]], session: ClientSession) -> None:
                for record in records:
                    effects.insert_one({"order": record.key}, session=session)
                positions.update_one({"_id": "billing"}, {"$set": {"seq": records[-1].seq}}, session=session)

            def loop() -> None:
                for records in self._batches(outbox):
                    with database.client.start_session() as session:
                        transact(session, partial(work, records))

            return throughput(self._count, loop)

    def _batches(self, outbox: Outbox) -> Iterator[list[Record[Any]]]:
        records = itertools.islice(outbox.read(), self._count)
        while batch := list(itertools.islice(records, self._batch)):
            yield batch


def _new(outbox: Outbox) -> Consumer[Any]:
    return outbox.consumer(f"bench-{uuid.uuid4().hex[:6]}", start="earliest")
