"""A log with what it has forgotten: it begins where the archive does, if nothing is missing between the two."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

from pymongo.database import Database

from outbox.clock import SystemClock
from outbox.history.history_log import HistoryLog
from outbox.shares.cursor_admin import forget
from tests.actors.archiving import filled, put_large
from tests.actors.small_log import small_outbox


def test_it_begins_where_the_archive_does_and_ends_where_the_log_does(database: Database[Any], tmp_path: Path) -> None:
    with small_outbox(database) as orders:
        archive = filled(orders, tmp_path)
        log = HistoryLog(orders.collections, archive)

        assert (log.earliest(), log.oldest(), log.head()) == (1, 1, 12)
        for seq in range(1, 13):
            record = log.record_at(seq)
            assert record is not None
            assert record.seq == seq
            assert log.seq_at(record.created) <= seq
        assert log.record_at(13) is None


def test_with_something_missing_between_the_two_it_begins_where_the_log_does(
    database: Database[Any], tmp_path: Path
) -> None:
    with small_outbox(database) as orders:
        archive = filled(orders, tmp_path)
        archive.manifest.remove(archive.chunks()[-1])
        forget(orders.collections, "archive:main", SystemClock())
        put_large(orders, 6)
        log = HistoryLog(orders.collections, archive)

        assert log.earliest() == orders.log.earliest() > 6
        assert log.seq_at(next(orders.read()).created - timedelta(days=1)) == orders.log.earliest()
