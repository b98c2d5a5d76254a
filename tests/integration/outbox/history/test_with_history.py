"""Consumers and projections that begin with what an archive has, and go on with the log."""

from __future__ import annotations

from typing import Any

import pytest

from outbox import HistoryLost, Outbox
from outbox.archive import Archive
from tests.actors.archiving import put_large
from tests.actors.running import Handled, Running, running
from tests.waiting import wait_until


@pytest.mark.parametrize("shares", [None, 2])
def test_a_consumer_begins_with_the_archive_and_goes_on_with_the_log(
    shares: int | None, orders: Outbox, archive: Archive
) -> None:
    consumer = orders.consumer("billing", start=0, archive=archive, shares=shares)
    handled = Handled()
    with running(consumer, handled):
        wait_until(lambda: len(handled.records) == 12, 30, "it has not handled history")
        put_large(orders, 2)
        wait_until(lambda: len(handled.records) == 14, 30, "it has not handled what came")
    assert handled.seqs == list(range(1, 15))
    assert consumer.position() == 14


def test_a_consumer_that_stopped_in_the_archive_goes_on_there(orders: Outbox, archive: Archive) -> None:
    consumer = orders.consumer("billing", start=0, archive=archive, attempts=None)
    first = Handled(lambda record: RuntimeError("not yet") if record.seq == 4 else None)
    with running(consumer, first):
        wait_until(lambda: first.calls > 4, 30, "it has not come to the fourth")
    assert first.seqs == [1, 2, 3]
    second = Handled()
    with running(orders.consumer("billing", start=0, archive=archive), second, batch=4):
        wait_until(lambda: len(second.records) == 9, 30, "it has not gone on")
    assert second.seqs == list(range(4, 13))


def count(state: dict[str, int], record: Any) -> dict[str, int]:
    return {"records": state.get("records", 0) + 1, "last": record.seq}


def test_states_are_made_made_anew_and_verified_of_archive_and_log(orders: Outbox, archive: Archive) -> None:
    counts = orders.projection("counts", apply=count, archive=archive)
    work = Running(counts.run)
    work.thread.start()
    wait_until(lambda: counts.state() == {"records": 12, "last": 12}, 30, "it has not come to the head")
    put_large(orders, 1)
    wait_until(lambda: counts.state() == {"records": 13, "last": 13}, 30, "it has not gone on")
    counts.verify()
    assert counts.rebuild()
    counts.stop()
    work.thread.join(30)

    assert counts.state() == {"records": 13, "last": 13}
    with pytest.raises(HistoryLost):
        orders.projection("counts", apply=count).verify()
