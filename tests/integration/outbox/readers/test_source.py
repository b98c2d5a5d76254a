"""Where subscriptions read: the log of an outbox, woken by the tail of this process."""

from __future__ import annotations

from contextlib import closing

import pytest
from pymongo.database import Database

from outbox.readers.background import BackgroundThreads
from outbox.readers.query import Query
from outbox.readers.source import LogSource
from tests.actors.order_service import Document, new_outbox, placed


@pytest.fixture
def source(database: Database[Document]) -> LogSource:
    orders = new_outbox(database, sequence=False)
    orders.put([placed(1), placed(2)], standalone=True)
    orders.sequence()
    return LogSource(orders.collections, BackgroundThreads(orders.collections, sequencing=False), orders.decode)


def test_it_says_what_latest_means_and_opens_readers(source: LogSource, database: Database[Document]) -> None:
    assert source.pinned(Query("latest", None, None)).pinned == 3
    assert (source.name, source.where) == ("outbox", f"{database.name}.outbox")
    with closing(source.open(Query(2, None, None))) as reader:
        assert [batch.last for batch in reader.read_batches()] == [2]
        assert reader.wait(60) is False  # nothing wakes it, so it does not wait


def test_a_reader_of_a_source_that_runs_is_woken(source: LogSource) -> None:
    with source.running() as open_reader, closing(open_reader(Query("latest", None, None))) as reader:
        source.wake()
        reader.wait(60)
