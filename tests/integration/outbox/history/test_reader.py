"""Archive, log and what comes are one sequence: no gap, no repeat, wherever the seam is."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from bson import ObjectId
from pymongo import MongoClient

from outbox import HistoryLost, InvalidStart, LogReplaced, Outbox
from outbox.archive import Archive
from outbox.archive.formats import json_lines
from outbox.clock import SystemClock
from outbox.events import Fetched, Stopped
from outbox.shares.cursor_admin import forget
from tests.actors.archives import seqs
from tests.actors.archiving import filled, put_large, run_once
from tests.actors.small_log import make_log_anew, small_outbox
from tests.waiting import wait_until


@pytest.fixture(scope="module")
def still(mongo: MongoClient[Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Outbox, Archive]]:
    """The same, for tests that only read."""
    name = f"test_{uuid.uuid4().hex}"
    with small_outbox(mongo[name]) as orders:
        yield orders, filled(orders, tmp_path_factory.mktemp("archive"))
    mongo.drop_database(name)


@pytest.mark.parametrize("start", [0, 1, "earliest"])
def test_all_of_history_is_read_as_one_sequence(start: Any, still: tuple[Outbox, Archive]) -> None:
    orders, archive = still
    records = list(orders.read(start, archive=archive))

    assert seqs(records) == list(range(1, 13))
    assert [record.data["total"] for record in records if record.data] == list(range(12))
    assert records[0].message.total == 0


def test_any_start_goes_on_to_the_head(still: tuple[Outbox, Archive]) -> None:
    orders, archive = still
    for start in range(1, 13):
        assert seqs(orders.read(start, archive=archive)) == list(range(start, 13))


def test_a_date_may_be_in_the_archive_or_in_the_log(still: tuple[Outbox, Archive]) -> None:
    orders, archive = still
    for record in list(orders.read(0, archive=archive))[::4]:
        found = next(orders.read(record.created, archive=archive))
        assert found.created == record.created
        assert found.seq <= record.seq
    assert list(orders.read(record.created + timedelta(days=1), archive=archive)) == []


def test_types_keys_and_predicates_choose_in_both(still: tuple[Outbox, Archive]) -> None:
    orders, archive = still

    def even(record: Any) -> bool:
        return bool(record.seq % 2 == 0)

    assert seqs(orders.read(0, where=even, archive=archive)) == list(range(2, 13, 2))
    assert seqs(orders.read(0, types=["order.placed"], key="42", archive=archive)) == list(range(1, 13))
    assert seqs(orders.read(0, types=["order.cancelled"], archive=archive)) == []


def test_of_the_archive_only_wanted_records_are_parsed(
    still: tuple[Outbox, Archive], monkeypatch: pytest.MonkeyPatch
) -> None:
    orders, archive = still
    assert archive.position()  # which it asks for, and which is known from then on
    parsed: list[bytes] = []
    parse = json_lines.record
    monkeypatch.setattr(json_lines, "record", lambda line: (parsed.append(line), parse(line))[1])

    assert list(orders.read(0, types=["order.cancelled"], archive=archive)) == []
    assert parsed == []
    assert len(list(orders.read(3, key="42", archive=archive))) == 10


def test_a_start_beyond_both_is_refused(still: tuple[Outbox, Archive]) -> None:
    orders, archive = still
    with pytest.raises(InvalidStart):
        list(orders.read(30, archive=archive))
    with pytest.raises(InvalidStart):
        orders.read(0)


def test_what_neither_has_is_no_silent_gap(orders: Outbox, archive: Archive) -> None:
    for entry in archive.chunks()[1:]:
        archive.manifest.remove(entry)
    forget(orders.collections, "archive:main", SystemClock())
    put_large(orders, 6)
    with pytest.raises(HistoryLost):
        list(orders.read(1, archive=archive))
    archive.expire(timedelta(0))
    with pytest.raises(HistoryLost):
        list(orders.read(1, archive=archive))


def test_an_archive_of_another_log_is_refused(orders: Outbox, archive: Archive, tmp_path: Path) -> None:
    make_log_anew(orders)
    put_large(orders, 12)
    with pytest.raises(LogReplaced, match="is of another log"):
        list(orders.read(1, archive=archive))


def test_an_empty_archive_changes_nothing(orders: Outbox, tmp_path: Path) -> None:
    put_large(orders, 2)

    assert seqs(orders.read(0, archive=Archive(tmp_path))) == [1, 2]


def test_who_observes_gets_history_and_then_what_comes(orders: Outbox, archive: Archive) -> None:
    seen: list[int] = []
    subscription = orders.observe(0, archive=archive).subscribe(lambda record: seen.append(record.seq))
    wait_until(lambda: len(seen) == 12, 30, "history has not come")
    put_large(orders, 2)
    wait_until(lambda: len(seen) == 14, 30, "what comes has not come")
    subscription.dispose()

    assert seen == list(range(1, 15))


def test_a_subscription_ends_between_two_chunks_although_nothing_it_wants_comes(
    orders: Outbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = Archive(tmp_path)
    for _ in range(4):
        put_large(orders, 3)
        run_once(orders, archive)
    assert archive.position()  # which it asks for, and which is known from then on
    is_subscribed, read_file, read = threading.Event(), archive.store.read, []
    events: list[object] = []

    def reading(path: str) -> bytes:
        if "/chunks/" in path:
            is_subscribed.wait(30)
            read.append(path)
            subscription.dispose()
        return read_file(path)

    monkeypatch.setattr(archive.store, "read", reading)
    subscription = orders.observe(0, key="of nobody", archive=archive, on_event=events.append).subscribe()
    is_subscribed.set()
    wait_until(lambda: Stopped() in events, 30, "the subscription to end")

    assert [Path(path).name for path in read] == [archive.chunks()[0].file]
    assert not any(isinstance(event, Fetched) for event in events)


def test_across_the_seam_nothing_is_missing_while_the_log_rolls_over(orders: Outbox, archive: Archive) -> None:
    """Whoever reads slowly falls behind the log again and again; the archive has what it forgot meanwhile."""
    seen: list[int] = []
    for record in orders.read(0, archive=archive):
        seen.append(record.seq)
        if len(seen) < 20:
            put_large(orders, 1)
            run_once(orders, archive)

    assert seen == list(range(1, len(seen) + 1))
    assert len(seen) >= 20


def test_a_message_that_the_log_has_forgotten_is_found_in_the_archive(still: tuple[Outbox, Archive]) -> None:
    orders, archive = still
    record = next(archive.read())
    found = orders.find(record.id, archive=archive)

    assert (found.place, found.seq, found.chunk) == ("archive", 1, f"main/chunks/{archive.chunks()[0].file}")
    assert found.passed == ("archive:main",)
    assert "is in the archive as seq 1, in main/chunks/" in str(found)
    assert orders.find(record.id).place == "unknown"
    assert orders.find(next(orders.read("earliest")).id, archive=archive).place == "log"
    assert orders.find(ObjectId(), archive=archive).place == "unknown"
