"""A relay over a real log, with the compiled encoder and without it."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from pymongo.database import Database

from outbox import LogCorrupt, Outbox
from outbox.log.batch import Batch
from outbox.log.record import Record
from relay import Relay
from relay.encoding import encoder
from relay.testing import MemorySink
from tests.actors.order_service import MESSAGES, placed
from tests.actors.relay_thread import run_once
from tests.waiting import wait_until

Document = dict[str, Any]


def filled(orders: Outbox, count: int) -> None:
    orders.create()
    orders.put(
        [placed(total, order_id=f"ö{total % 7}") for total in range(count)], headers={"tenant": "acme"}, standalone=True
    )
    orders.put([placed(total) for total in range(count)], standalone=True)
    wait_until(lambda: orders.sequence() == 0 and orders.log.head() == 2 * count, 30, "the messages to be numbered")


@pytest.mark.usefixtures("native")
def test_both_deliver_the_same_and_the_log_says_which_it_was(
    database: Database[Document], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "relay")
    compiled, python = MemorySink(), MemorySink()
    with Outbox(database, messages=MESSAGES, capacity="16 MiB") as orders:
        filled(orders, 700)
        run_once(Relay(orders, compiled, name="compiled"))
        monkeypatch.setattr(encoder, "_encode_plain", None)
        run_once(Relay(orders, python, name="python"))

    assert [each.seq for each in python.records] == list(range(1, 1401))
    assert compiled.records == python.records
    assert [line.split(", ")[-1] for line in caplog.messages if "relaying after" in line] == [
        "compiled encoder)",
        "Python encoder)",
    ]


def test_a_read_that_could_not_be_decoded_may_be_made_again(
    database: Database[Document], monkeypatch: pytest.MonkeyPatch
) -> None:
    with Outbox(database, messages=MESSAGES, capacity="16 MiB") as orders:
        filled(orders, 3)
        reader = orders.reader(2)

        def corrupt(self: Batch, decode: object = None) -> list[Record[Any]]:
            raise LogCorrupt("corrupt")

        with monkeypatch.context() as patch:
            patch.setattr(Batch, "records", corrupt)
            with pytest.raises(LogCorrupt):
                reader.read()

        assert [each.seq for each in reader.read()][:1] == [2]
        reader.close()
