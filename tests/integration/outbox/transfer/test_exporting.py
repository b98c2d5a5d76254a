"""An export has the messages that were asked for, as the lines of an archive."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pymongo.database import Database

from outbox import HistoryLost, InvalidStart, Outbox
from outbox.archive import Archive
from outbox.archive.line import record
from outbox.errors import ArchiveUnavailable
from outbox.transfer.exporting import Export
from tests.actors.archiving import filled
from tests.actors.order_service import DAY, StockCounted, placed, put_at, totals
from tests.actors.small_log import small_outbox
from tests.actors.transferring import exported


def test_each_line_is_that_of_an_archive_and_says_which_outbox_it_is_of(orders: Outbox) -> None:
    orders.put([placed(1), StockCounted(count=2)], standalone=True, headers={"tenant": "acme"})
    orders.sequence()
    lines = exported(orders)

    assert [record(line) for line in lines] == list(orders.read())
    assert [json.loads(line)["outbox"] for line in lines] == [orders.collections.log.full_name] * 2


@pytest.mark.parametrize(
    ("arguments", "seqs"),
    [
        ((), [1, 2, 3, 4, 5]),
        ((2, 4), [2, 3, 4]),
        ((DAY + timedelta(minutes=2), DAY + timedelta(minutes=3)), [2, 3]),
        ((4, 9), [4, 5]),
        ((4, 2), []),
        ((6,), []),
    ],
)
def test_from_and_to_are_both_included(orders: Outbox, arguments: tuple[Any, ...], seqs: list[int]) -> None:
    put_at(orders, 1, 2, 3)
    put_at(orders, 4, 5)

    assert [record(line).seq for line in exported(orders, *arguments)] == seqs


def test_types_and_a_key_choose(orders: Outbox) -> None:
    orders.put([placed(1, "42"), placed(2, "43"), StockCounted(count=3)], standalone=True)
    orders.sequence()

    assert totals([record(line) for line in exported(orders, types=["order.placed"], key="43")]) == [2]
    assert [record(line).type for line in exported(orders, types=["stock.counted"])] == ["stock.counted"]


def test_what_comes_meanwhile_is_left_out(orders: Outbox) -> None:
    put_at(orders, 1)
    export = Export(orders.collections)
    head = export.head()
    put_at(orders, 2)

    assert [seq for seq, _ in export.read(head)] == [1]


def test_an_archive_has_what_the_log_has_forgotten(database: Database[Any], tmp_path: Path) -> None:
    orders = small_outbox(database)
    archive = filled(orders, tmp_path)

    assert [record(line).seq for line in exported(orders, history=archive)] == list(range(1, 13))
    with pytest.raises(HistoryLost):
        exported(orders, 1)


def test_an_archive_that_does_not_answer_is_named(orders: Outbox) -> None:
    put_at(orders, 1)

    with pytest.raises(ArchiveUnavailable, match=r"Archive\('/dev/null/x', 'main'\) cannot be read"):
        exported(orders, history=Archive("/dev/null/x"))


def test_a_start_beyond_the_log_is_refused(orders: Outbox) -> None:
    with pytest.raises(InvalidStart, match="beyond the log"):
        exported(orders, 7)
