"""Sequencing by hand: all that staging holds, once, and the role given back whatever happens."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any, NoReturn

import pytest
from pymongo.database import Database
from pymongo.errors import AutoReconnect, OperationFailure

from outbox import Outbox, OutboxNotCreated
from outbox.mongo.collections import Collections
from outbox.mongo.lease import read_lease
from outbox.sequencer.appender import TakeoverRequired
from outbox.sequencer.once import sequence_once
from outbox.sequencer.sequencer import Sequencer
from tests.actors.order_service import Document, placed, totals, warnings_of
from tests.actors.small_log import put_large, register, small_outbox


def raising_once(monkeypatch: pytest.MonkeyPatch, name: str, error: BaseException, before: int = 0) -> None:
    """A call of the sequencer's method raises, the one after so many that work."""
    works, left = getattr(Sequencer, name), [None] * before

    def method(self: Sequencer, *arguments: Any, **options: Any) -> Any:
        if not left:
            monkeypatch.setattr(Sequencer, name, works)
            raise error
        left.pop()
        return works(self, *arguments, **options)

    monkeypatch.setattr(Sequencer, name, method)


def holder(orders: Outbox) -> Any:
    lease = read_lease(orders.collections.leases, "sequencer")
    return None if lease is None else lease["owner"]


def test_it_numbers_all_that_staging_holds_and_says_how_many_that_were(orders: Outbox) -> None:
    orders.put([placed(n) for n in range(1200)], standalone=True)

    assert sequence_once(orders.collections) == 1200
    assert orders.collections.staging.count_documents({}) == 0
    assert orders.log.head() == 1200


def test_the_count_is_of_this_call_alone(orders: Outbox) -> None:
    orders.put([placed(1), placed(2)], standalone=True)
    sequence_once(orders.collections)
    orders.put(placed(3), standalone=True)

    assert sequence_once(orders.collections) == 1
    assert sequence_once(orders.collections) == 0


def test_the_role_is_free_afterwards(orders: Outbox) -> None:
    orders.put(placed(1), standalone=True)
    sequence_once(orders.collections)

    assert holder(orders) is None


def test_the_role_is_free_after_an_error_too(orders: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    raising_once(monkeypatch, "sweep", KeyError("unforeseen"))

    with pytest.raises(KeyError):
        sequence_once(orders.collections)
    assert holder(orders) is None


@pytest.mark.parametrize("error", [AutoReconnect("cut off"), TakeoverRequired("the log is not as it was")], ids=repr)
def test_after_an_error_that_passes_it_goes_on_and_counts_what_was_done_before(
    orders: Outbox, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    orders.put([placed(n) for n in range(1200)], standalone=True)
    raising_once(monkeypatch, "sweep", error, before=1)

    assert sequence_once(orders.collections) == 1200
    assert totals(orders.read()) == list(range(1200))


def test_an_error_that_lasts_is_raised(orders: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    raising_once(monkeypatch, "sweep", OperationFailure("not authorized", 13))

    with pytest.raises(OperationFailure, match="not authorized"):
        sequence_once(orders.collections)


def test_an_outbox_that_was_never_created_is_said(database: Database[Document]) -> None:
    with pytest.raises(OutboxNotCreated, match="create"):
        sequence_once(Collections(database, "outbox"))


def test_a_lease_that_cannot_be_given_back_is_warned_of_and_hides_no_count(
    orders: Outbox, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    orders.put([placed(1), placed(2)], standalone=True)
    raising_once(monkeypatch, "release", AutoReconnect("cut off"))

    assert sequence_once(orders.collections) == 2
    assert "its lease may have to run out: cut off" in warnings_of(caplog)[0]


def test_what_lasts_is_raised_when_the_lease_is_given_back(orders: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Sequencer) -> NoReturn:
        raise OperationFailure("not authorized", 13)

    monkeypatch.setattr(Sequencer, "release", refuse)

    with pytest.raises(OperationFailure, match="not authorized"):
        sequence_once(orders.collections)


def test_it_ends_where_a_durable_reader_holds_it_and_numbers_the_rest_later(database: Database[Document]) -> None:
    outbox = small_outbox(database)
    register(outbox, "relay:kafka", 0)
    outbox.put([placed(n, note="x" * 2000) for n in range(20)], standalone=True)

    numbered = sequence_once(outbox.collections)
    assert 0 < numbered < 20
    register(outbox, "relay:kafka", numbered)
    assert sequence_once(outbox.collections) > 0


def test_sequencing_by_hand_stands_back_while_another_works(database: Database[Document], orders: Outbox) -> None:
    other = Sequencer(Collections(database, "outbox"))
    assert other.take_over()
    orders.put(placed(1), standalone=True)

    with ThreadPoolExecutor(1) as threads:
        count = threads.submit(orders.sequence)
        while not count.done():
            other.sweep()
    assert count.result() == 0
    other.release()
    orders.put(placed(2), standalone=True)
    assert orders.sequence() == 1


def test_a_sweep_by_hand_says_who_holds_it(database: Database[Document], caplog: pytest.LogCaptureFixture) -> None:
    outbox = small_outbox(database)
    register(outbox, "relay:kafka", 0)

    put_large(outbox, 12)

    assert "the sequencer waits for it" in warnings_of(caplog)[0]
