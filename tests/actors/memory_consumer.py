"""A consumer for the tests that a relay to a MemorySink passes, too: it keeps what its handler has done."""

from __future__ import annotations

import math
import threading
from typing import Any

from pymongo.client_session import ClientSession

from outbox import Outbox, Record, Reject
from outbox.consumers.attempts import Attempts
from outbox.consumers.config import ConsumerConfig
from outbox.consumers.in_transaction import InTransaction, one_by_one
from outbox.consumers.in_turn import InTurn, Terms
from outbox.dead_letters.policy import OnPoison
from outbox.delivery.durable_reader import DurableReader
from outbox.errors import Verdict
from outbox.readers.query import Query
from relay.testing import MemoryRecord

BATCH = 3
EFFECTS = "effects"


class MemoryConsumer:
    """As MemorySink: `records` is what arrived, `refused` what is to be refused, by seq. A price of NaN is, too."""

    in_transactions = False

    def __init__(self) -> None:
        self.refused: dict[int, Verdict] = {}
        self._records: list[MemoryRecord] = []

    @property
    def records(self) -> list[MemoryRecord]:
        return self._records

    def handle(self, record: Record[Any]) -> None:
        self._check(record)
        self._records.append(_kept(record))

    def _check(self, record: Record[Any]) -> None:
        if record.seq in self.refused or math.isnan(record.data["price"]):
            raise Reject("refused")

    def target(self, prices: Outbox, terms: Terms) -> InTurn | InTransaction:
        return InTurn(self.handle, terms)

    def reader(self, prices: Outbox, on_poison: OnPoison) -> DurableReader[Any]:
        """What Consumer.run and Consumer.run_in_transaction run; this can be told to run `once`."""
        query = Query("earliest", None, None)
        config = ConsumerConfig(prices, "kafka", query.start, on_poison, lambda: 0.0, query, prices.decode)
        stop = threading.Event()
        terms = Terms(lambda: Attempts(10, config.log(), config.chance, config.tell), stop)
        return DurableReader(config, self.target(prices, terms))


class TransactionalConsumer(MemoryConsumer):
    """As MemoryTransactions: `records` is what was committed."""

    in_transactions = True

    def __init__(self) -> None:
        super().__init__()
        self._prices: Outbox | None = None

    @property
    def records(self) -> list[MemoryRecord]:
        if self._prices is None:
            return []
        done = self._prices.collections.log.database[f"{EFFECTS}-{self._prices.name}"].find(sort=[("$natural", 1)])
        return [MemoryRecord("", each["key"], None, tuple(map(tuple, each["headers"]))) for each in done]

    def handle_with(self, record: Record[Any], session: ClientSession) -> None:
        self._check(record)
        assert self._prices is not None
        effects = self._prices.collections.log.database[f"{EFFECTS}-{self._prices.name}"]
        kept = _kept(record)
        effects.insert_one({"key": kept.key, "headers": kept.headers}, session=session)

    def target(self, prices: Outbox, terms: Terms) -> InTransaction:
        self._prices = prices
        return InTransaction(one_by_one(self.handle_with), BATCH, terms)


def _kept(record: Record[Any]) -> MemoryRecord:
    key = None if record.key is None else record.key.encode()
    return MemoryRecord("", key, None, (("id", str(record.id).encode()), ("seq", str(record.seq).encode())))
