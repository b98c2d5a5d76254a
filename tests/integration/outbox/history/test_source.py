"""Which reader a query gets: of an archive what it asks for, or whole batches."""

from __future__ import annotations

from contextlib import closing
from typing import Any

from outbox import Outbox
from outbox.archive import Archive
from outbox.history.source import open_batches, open_history
from outbox.messages.message_types import MessageTypes
from outbox.readers.query import asked
from outbox.readers.reader import LogReader


def undecoded(_type: str, _data: Any) -> None:
    return None


def test_a_query_without_history_reads_the_log_alone(orders: Outbox) -> None:
    query = asked(MessageTypes(()), "earliest", None, None)
    for reader in (
        open_history(orders.collections, query, undecoded, None),
        open_batches(orders.collections, query, undecoded),
    ):
        with closing(reader):
            assert isinstance(reader, LogReader)


def test_of_history_what_is_asked_for_or_whole_batches(orders: Outbox, archive: Archive) -> None:
    query = asked(MessageTypes(()), 0, ["nothing"], None, history=archive)
    with closing(open_history(orders.collections, query, undecoded, None)) as chosen:
        chosen.read_batches()
        assert chosen.position > 11  # all of the archive is behind it
    with closing(open_batches(orders.collections, query, undecoded)) as whole:
        [batch] = whole.read_batches()

    assert (batch.first, batch.last) == (1, 10)
