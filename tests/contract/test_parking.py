"""What whoever keeps waiting records promises (outbox/delivery/ports.py: Parking), asked of each adapter."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from pymongo.database import Database

from outbox import Outbox, Record
from outbox.dead_letters.requeued import RequeuedLetters
from outbox.dead_letters.store import DeadLetterStore
from outbox.delivery.ports import Parking
from outbox.log.position import Position
from outbox.shares.layout import share_cursor
from relay.errors import PoisonMessage
from tests.actors.price_service import new_prices, put, states
from tests.actors.relay_thread import given_cursor

FENCE = 1
KEYS = ["a", "b", "a", None, "a", "", None, ""]
"""The keys of the records, from seq 1 on."""


class Bench:
    """The letters of one relay, and the records of a log that a pump would ask about."""

    parking: Parking

    def __init__(self, prices: Outbox) -> None:
        self.prices = prices
        put(prices, *KEYS)
        self.records = [record for batch in prices.log.batches_from(1, len(KEYS)) for record in batch.records()]
        given_cursor(prices, 0)
        self.cursors = share_cursor(prices.collections.cursors, "relay:kafka")
        self.letters = DeadLetterStore(prices.collections, self.cursors, FENCE, "park-key")
        self.letters.log = prices.log.identity()

    def refuse(self, record: Record[Any]) -> None:
        """Makes the record a dead letter."""
        raise NotImplementedError

    def save_the_end(self) -> None:
        """Saves that all records count as delivered, as the pump does after it has parked some."""
        raise NotImplementedError

    @property
    def end(self) -> Position:
        last = self.records[-1]
        return last.seq, last.created, last.id

    def poison(self, record: Record[Any]) -> PoisonMessage:
        return PoisonMessage(record.seq, str(record.id), record.type, record.key, "refused", "it is too large")


class StoreBench(Bench):
    """Records of the log: they are put aside."""

    def __init__(self, prices: Outbox) -> None:
        super().__init__(prices)
        self.parking = self.letters
        self.letters.requeued()  # a look: only then it is certain that there are none

    def refuse(self, record: Record[Any]) -> None:
        self.letters.add(record, self.poison(record))

    def save_the_end(self) -> None:
        self.cursors.save(self.end, FENCE)


class RequeuedBench(Bench):
    """Letters that were requeued: they stay aside."""

    def __init__(self, prices: Outbox) -> None:
        super().__init__(prices)
        for record in self.records:
            self.letters.add(record, self.poison(record))
        self.requeued = RequeuedLetters(self.letters, self.records)
        self.parking = self.requeued

    def refuse(self, record: Record[Any]) -> None:
        self.requeued.put_back(record, self.poison(record))

    def save_the_end(self) -> None:
        self.requeued.save(self.end)


@pytest.fixture(params=[StoreBench, RequeuedBench])
def bench(request: pytest.FixtureRequest, database: Database[dict[str, Any]]) -> Iterator[Bench]:
    with new_prices(database, capacity="16 MiB", sequence=False) as prices:
        yield request.param(prices)


def test_it_is_idle_while_nothing_was_refused_and_parks_nothing(bench: Bench) -> None:
    assert bench.parking.is_idle
    assert list(bench.parking.park(bench.records)) == []


def test_it_is_idle_no_more_when_a_record_with_a_key_was_refused(bench: Bench) -> None:
    bench.refuse(bench.records[0])

    assert not bench.parking.is_idle


def test_the_later_records_of_the_key_wait_and_no_others(bench: Bench) -> None:
    bench.refuse(bench.records[0])

    assert set(bench.parking.park(bench.records[1:])) == {3, 5}


def test_the_same_records_again_change_nothing(bench: Bench) -> None:
    bench.refuse(bench.records[0])
    first = set(bench.parking.park(bench.records[1:]))
    kept = states(bench.prices)

    assert set(bench.parking.park(bench.records[1:])) == first
    assert states(bench.prices) == kept


def test_what_waits_is_still_a_letter_when_all_counts_as_delivered(bench: Bench) -> None:
    bench.refuse(bench.records[0])
    bench.parking.park(bench.records[1:])

    bench.save_the_end()

    assert set(states(bench.prices)) == {1, 3, 5}


def test_a_refused_record_without_a_key_makes_none_wait(bench: Bench) -> None:
    bench.refuse(bench.records[3])

    assert list(bench.parking.park(bench.records[4:])) == []


def test_an_empty_key_is_a_key(bench: Bench) -> None:
    bench.refuse(bench.records[5])

    assert set(bench.parking.park(bench.records[6:])) == {8}


def test_of_no_records_none_waits(bench: Bench) -> None:
    bench.refuse(bench.records[0])

    assert list(bench.parking.park([])) == []
