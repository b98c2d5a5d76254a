"""An outbox archived into an object store that speaks S3: as into a folder."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from pymongo.database import Database

from outbox import Outbox
from outbox.archive import Archive, target
from outbox.archive.archiving import archive_log
from outbox.delivery import durable_reader
from outbox.errors import ArchiveDamaged
from tests.actors.archives import seqs, store
from tests.actors.archiving import is_all_of_the_log, put, run_once
from tests.actors.order_service import new_outbox
from tests.actors.running import Running
from tests.waiting import wait_until


@pytest.fixture
def orders(database: Database[Any]) -> Iterator[Outbox]:
    with new_outbox(database) as orders:
        yield orders


@pytest.fixture
def url(bucket: str) -> str:
    return f"{bucket}/{uuid.uuid4().hex}"


def test_it_is_stored_read_verified_listed_and_shortened(orders: Outbox, url: str) -> None:
    for format in ("jsonl.gz", "parquet", "jsonl"):
        put(orders, 10)
        run_once(orders, Archive(url), format)
    archive = Archive(url)

    assert is_all_of_the_log(archive, orders)
    assert [(entry.first, entry.format) for entry in archive.chunks()] == [
        (1, "jsonl.gz"), (11, "parquet"), (21, "jsonl"),
    ]  # fmt: skip
    assert seqs(archive.read(9, 12, types=["order.placed"])) == [9, 10, 11, 12]
    assert [entry.first for entry in archive.expire(timedelta(0))] == [1, 11]
    assert archive.verify().first == 21
    assert seqs(orders.read(1, archive=archive)) == list(range(1, 31))


def test_one_process_writes_and_another_stands_by(orders: Outbox, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(target, "MOST_SECONDS", 0.0)
    monkeypatch.setattr(durable_reader, "STANDBY_SECONDS", 0.05)
    stops = [threading.Event(), threading.Event()]
    works = [Running(lambda stop=stop: archive_log(orders, Archive(url), stop=stop)) for stop in stops]
    for work in works:
        work.thread.start()
        wait_until(lambda: any(each.holder for each in orders.readers()), 30, "nobody works")
    put(orders, 10)
    wait_until(lambda: Archive(url).head == 10, 30, "nothing is stored")
    stops[0].set()
    works[0].thread.join(30)
    put(orders, 10)
    wait_until(lambda: Archive(url).head == 20, 30, "the other does not go on")
    stops[1].set()
    works[1].thread.join(30)

    assert [work.error for work in works] == [None, None]
    assert is_all_of_the_log(Archive(url), orders)


def test_damage_is_found_and_named(url: str) -> None:
    archive = Archive(url)
    for first in (1, 4, 7):
        entry = store(archive, range(first, first + 3))
    path = archive.manifest.path(entry)
    content = archive.store.read(path)
    archive.store.remove(path)
    archive.store.create(path, content.replace(b"42", b"43"))
    with pytest.raises(ArchiveDamaged, match=entry.file):
        archive.verify()
    archive.store.remove(path)
    with pytest.raises(ArchiveDamaged, match="is missing"):
        archive.verify()
    archive.store.remove(f"main/manifest/{4:019d}.json")
    with pytest.raises(ArchiveDamaged, match="seq 4 to 6 are missing"):
        archive.verify()
