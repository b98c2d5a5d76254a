"""Whoever puts is warned, once in a while, when nobody sequences."""

from __future__ import annotations

from typing import Any

import pytest
from pymongo.database import Database

from outbox import Outbox
from outbox.mongo.lease import Lease
from outbox.monitoring.no_sequencer_warning import LOOK_SECONDS, NoSequencerWarning, UnsequencedWarning
from outbox.testing import FakeClock
from tests.actors.order_service import new_outbox, placed, warnings_of

Document = dict[str, Any]


def _full(database: Database[Document]) -> Outbox:
    orders = new_outbox(database, sequence=False)
    orders.put([placed(n) for n in range(1000)], standalone=True)
    return orders


def test_a_warning_says_that_nobody_sequences(database: Database[Document], caplog: pytest.LogCaptureFixture) -> None:
    clock = FakeClock()
    unattended = NoSequencerWarning(_full(database).collections, clock)
    for _ in range(3):
        unattended.check()
        clock.advance(LOOK_SECONDS)
        unattended.check()

    assert "no process sequences them" in warnings_of(caplog)[0]


def test_there_is_no_warning_while_somebody_sequences(
    database: Database[Document], caplog: pytest.LogCaptureFixture
) -> None:
    clock, collections = FakeClock(), _full(database).collections
    lease = Lease(collections.leases, "sequencer")
    lease.acquire()
    unattended = NoSequencerWarning(collections, clock)
    for _ in range(3):
        clock.advance(LOOK_SECONDS)
        lease.renew()
        unattended.check()

    assert warnings_of(caplog) == []


def test_there_is_no_warning_of_a_few_messages(database: Database[Document], caplog: pytest.LogCaptureFixture) -> None:
    clock, orders = FakeClock(), new_outbox(database)
    orders.put(placed(1), standalone=True)
    unattended = NoSequencerWarning(orders.collections, clock)
    for _ in range(3):
        clock.advance(LOOK_SECONDS)
        unattended.check()

    assert warnings_of(caplog) == []


def test_puts_look_once_in_a_while_only(database: Database[Document], monkeypatch: pytest.MonkeyPatch) -> None:
    clock = FakeClock()
    looks: list[object] = []
    unattended = NoSequencerWarning(new_outbox(database).collections, clock)
    monkeypatch.setattr(unattended, "_look", lambda: looks.append(None))
    for _ in range(100):
        clock.advance(1)
        unattended.check()

    assert len(looks) == 3


def test_a_reader_is_warned_at_once_and_every_minute_that_nobody_numbers(
    database: Database[Document], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("outbox.monitoring.status.UNSEQUENCED_SECONDS", 0)
    clock, orders = FakeClock(), new_outbox(database, sequence=False)
    warning = UnsequencedWarning(orders.collections, clock)
    warning.look()
    orders.put(placed(1), standalone=True)

    for _ in range(13):
        clock.advance(5)
        warning.look()

    first, second = warnings_of(caplog)
    assert "no process numbers them, so none arrives: start `relay run`" in first
    assert "(since " in second


def test_readers_that_look_together_ask_once(database: Database[Document], monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[object] = []
    monkeypatch.setattr("outbox.monitoring.no_sequencer_warning.is_unsequenced", looks.append)
    warning = UnsequencedWarning(new_outbox(database).collections, FakeClock())

    for _ in range(3):
        warning.look()

    assert len(looks) == 1
