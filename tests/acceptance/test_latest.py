"""Fifty writers, and the process that keeps the view of the latest dies at every moment of its work."""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from itertools import cycle, islice
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.database import Database
from pymongo.errors import PyMongoError

from outbox import Outbox, Record, tombstone
from outbox.latest.first import LatestFirst
from outbox.latest.view import LatestView, id_of
from outbox.mongo.server_errors import patiently
from tests.acceptance.conftest import Start
from tests.actors.catalogue import BasketLine, Price, line, new_catalogue, price, viewed
from tests.servers.replica_set import ReplicaSet
from tests.waiting import wait_until

pytestmark = pytest.mark.heavy

WRITERS = 50
KILLS = int(os.environ.get("OUTBOX_TEST_KILLS", "4"))
COMPACTIONS = {"price": "key", "line": "data.line"}


def ledger(records: list[Record[Any]]) -> dict[str, int]:
    """`_id` → seq of the newest record of each id, without those that a tombstone has ended."""
    newest = {id: record for record in records if (id := id_of(record, COMPACTIONS)) is not None}
    return {id: record.seq for id, record in newest.items() if record.data is not None}


def check(catalogue: Outbox) -> int:
    """Compares what a subscriber would get first with the log at that moment; returns where the live records begin."""
    first = LatestFirst(catalogue.collections, None, lambda type, data, headers: data)
    start = first.begin()
    if start is None:
        return 0
    got: list[Record[Any]] = []
    while found := first.read():
        got.extend(found)
    first.close()
    logged = [record for record in catalogue.read() if record.seq < start]
    assert {str(id_of(record, COMPACTIONS)): record.seq for record in got} == ledger(logged)
    assert [record.seq for record in got] == sorted(record.seq for record in got)
    return start


def some_message(chance: random.Random) -> Any:
    sku, number = f"s{chance.randrange(15)}", chance.randrange(15)
    return chance.choice([
        price(sku, chance.randrange(1000)),
        price(sku, chance.randrange(1000)),
        tombstone(Price, key=sku),
        line(f"o{number % 3}", number, chance.randrange(1000)),
        tombstone(BasketLine, key=f"o{number % 3}", line_id=number),
        viewed(sku),
    ])  # fmt: skip


@contextmanager
def writing(catalogue: Outbox) -> Iterator[None]:
    stop = threading.Event()

    def write(seed: int) -> None:
        chance = random.Random(seed)
        while not stop.wait(chance.random() / 5):
            messages = [some_message(chance) for _ in range(chance.randrange(1, 4))]
            with suppress(PyMongoError):  # put or not, the log tells
                catalogue.put(messages, standalone=True)

    with ThreadPoolExecutor(WRITERS) as pool:
        writers = [pool.submit(write, seed) for seed in range(WRITERS)]
        try:
            yield
        finally:
            stop.set()
        for writer in writers:
            writer.result()


def test_at_every_moment_the_view_and_the_live_records_are_the_ledger(
    database: Database[Any], mongo_uri: str, start: Start
) -> None:
    catalogue = new_catalogue(database, sequence=False)
    place = (mongo_uri, database.name)
    sequencer = start("sequence", *place, "--lease", 0.5)
    view = LatestView(catalogue.collections)
    with writing(catalogue):
        for way in islice(cycle(["transaction", "effect", "committed", "outside"]), KILLS):
            before = view.position() or 0
            keeper = start("keep_latest", *place, *([] if way == "outside" else ["--die", way]))
            if way == "outside":
                wait_until(lambda before=before: (view.position() or 0) > before, 60, "the view to go on")
                keeper.kill()
            assert keeper.wait(60) == -9, keeper.said()
            check(catalogue)
        last = start("keep_latest", *place)
        for _ in range(20):
            check(catalogue)
    wait_until(lambda: catalogue.collections.staging.find_one() is None, 30, "staging to be empty")
    wait_until(lambda: view.position() == catalogue.log.head(), 30, "the view to be kept")

    assert check(catalogue) == catalogue.log.head() + 1
    last.stop()
    sequencer.stop()


def test_a_subscriber_who_comes_at_any_moment_gets_each_later_record_once(
    database: Database[Any], mongo_uri: str, start: Start
) -> None:
    catalogue = new_catalogue(database, sequence=False)
    start("sequence", mongo_uri, database.name, "--lease", 0.5)
    start("keep_latest", mongo_uri, database.name)
    got: list[list[Record[Any]]] = []
    errors: list[Exception] = []
    subscriptions = []
    with writing(catalogue):
        for count in range(10):
            wait_until(lambda count=count: catalogue.log.head() > 60 * count, 60, "more records")
            got.append([])
            subscriptions.append(catalogue.latest().subscribe(got[-1].append, errors.append))
    wait_until(lambda: catalogue.collections.staging.find_one() is None, 30, "staging to be empty")
    logged = [record for record in catalogue.read() if id_of(record, COMPACTIONS) is not None]
    wait_until(lambda: all(each and each[-1].seq == logged[-1].seq for each in got), 30, "all to come")
    for subscription in subscriptions:
        subscription.dispose()
    catalogue.close()

    assert errors == []
    for each in got:
        assert ledger(each) == ledger(logged)
        seqs = [record.seq for record in each]
        assert seqs == sorted(set(seqs))
        starts = [n for n in range(len(seqs)) if seqs[n:] == [r.seq for r in logged][len(logged) - len(seqs[n:]) :]]
        first, live = seqs[: starts[0]], seqs[starts[0] :]
        assert set(first) <= set(ledger([record for record in logged if record.seq < live[0]]).values())


def test_another_primary_leaves_the_view_whole(start: Start) -> None:
    """The keeper's transaction is aborted, or nobody knows whether it was committed."""
    with ReplicaSet(election_ms=3000) as replica_set, MongoClient[dict[str, Any]](replica_set.uri) as client:
        catalogue = new_catalogue(client.shop, sequence=False)
        sequencer = start("sequence", replica_set.uri, "shop", "--lease", 3)
        keeper = start("keep_latest", replica_set.uri, "shop")
        view = LatestView(catalogue.collections)

        def position() -> int:
            """0 while there is no primary."""
            with suppress(PyMongoError):
                return patiently(view.position) or 0
            return 0

        def checked() -> int:
            with suppress(PyMongoError):
                return patiently(lambda: check(catalogue))
            return 0

        with writing(catalogue):
            for _ in range(2):
                replica_set.step_down(seconds=5)
                replica_set.wait_until_healthy()
                before = wait_until(position, 60, "a primary that tells")
                wait_until(lambda before=before: position() > before + 100, 120, "the view to go on")
                wait_until(checked, 60, "a primary that tells")
        replica_set.wait_until_healthy()
        wait_until(lambda: catalogue.collections.staging.find_one() is None, 60, "staging to be empty")
        wait_until(lambda: position() == catalogue.log.head(), 60, "the view to be kept")

        assert check(catalogue) == catalogue.log.head() + 1
        keeper.stop()
        sequencer.stop()
