"""The change stream is cut for good, on the server: no getMore on it and no opening of another succeeds."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from pymongo import MongoClient

from outbox import Outbox, Record
from tests.acceptance.ledger import Ledger
from tests.acceptance.processes.entry import Entry
from tests.acceptance.projections import apply
from tests.actors.projecting import projecting
from tests.actors.running import WAYS, Handled, consuming
from tests.waiting import wait_until

APP = "with-a-cut-change-stream"
CHANGE_STREAM_HISTORY_LOST = 286


@pytest.fixture
def cut(mongo: MongoClient[dict[str, Any]], mongo_uri: str, ledger: Ledger) -> Iterator[MongoClient[dict[str, Any]]]:
    """A client whose change streams on staging all fail."""
    fail = {
        "configureFailPoint": "failCommand",
        "mode": "alwaysOn",
        "data": {
            "failCommands": ["aggregate", "getMore"],
            "namespace": ledger.collections.staging.full_name,
            "appName": APP,
            "errorCode": CHANGE_STREAM_HISTORY_LOST,
        },
    }
    mongo.admin.command(fail)
    with MongoClient[dict[str, Any]](mongo_uri, appname=APP) as client:
        yield client
    mongo.admin.command({**fail, "mode": "off"})


def test_delivery_goes_on_within_a_second_and_a_half(
    ledger: Ledger, cut: MongoClient[dict[str, Any]], caplog: pytest.LogCaptureFixture
) -> None:
    """Watches over the sweep every second, whatever the change stream says."""
    ledger.create()
    with Outbox(cut[ledger.database.name], messages=[Entry]) as outbox:
        seen: list[int] = []

        def see(record: Record[Entry]) -> None:
            seen.append(record.seq)

        outbox.observe(start="earliest").subscribe(see)
        outbox.put(Entry(account="account-0", number=1), standalone=True)
        wait_until(lambda: seen, 30, "the sequencer to begin")

        delays = []
        for number in range(2, 7):
            # While there was just a message, the next sweep comes soon.
            wait_until(
                lambda: ledger.collections.staging.find_one() is None, 30, "the last message to be deleted from staging"
            )
            put = time.monotonic()
            outbox.put(Entry(account="account-0", number=number), standalone=True)
            wait_until(lambda number=number: len(seen) == number, 30, "delivery")
            delays.append(time.monotonic() - put)

    assert min(delays) < 1.5, "the machine may be busy, but not each time"
    assert max(delays) > 0.2, "the change stream brought it, so nothing was proven"
    assert "the change stream on" in caplog.text


@pytest.mark.parametrize("way", WAYS)
def test_a_consumer_handles_what_the_stream_does_not_bring(
    ledger: Ledger, cut: MongoClient[dict[str, Any]], way: str, caplog: pytest.LogCaptureFixture
) -> None:
    ledger.create()
    handled = Handled()
    with Outbox(cut[ledger.database.name], messages=[Entry]) as outbox, consuming(outbox, way, handled):
        for number in range(1, 5):
            outbox.put(Entry(account=f"account-{number % 2}", number=number), standalone=True)
            wait_until(lambda number=number: len(handled.seqs) == number, 30, f"entry {number}")

    assert handled.seqs == [1, 2, 3, 4]
    assert "the change stream on" in caplog.text


def test_a_projection_applies_what_the_stream_does_not_bring(
    ledger: Ledger, cut: MongoClient[dict[str, Any]], caplog: pytest.LogCaptureFixture
) -> None:
    ledger.create()
    with Outbox(cut[ledger.database.name], messages=[Entry]) as outbox:
        numbers = outbox.projection("ledger", types=[Entry], initial=dict, apply=apply, by="key")
        with projecting(numbers):
            for number in range(1, 5):
                outbox.put(Entry(account=f"account-{number % 2}", number=number), standalone=True)
                wait_until(lambda number=number: numbers.position() == number, 30, f"entry {number}")

        assert dict(numbers.states()) == {"account-0": {"numbers": [2, 4]}, "account-1": {"numbers": [1, 3]}}
    assert "the change stream on" in caplog.text
