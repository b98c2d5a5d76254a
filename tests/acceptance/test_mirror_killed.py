"""Mirrors that are killed at any moment, two at a time: each message is there once, in order."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pymongo.database import Database

from outbox import Outbox
from tests.actors.killing import kill_while_put
from tests.actors.mirrors import run_once
from tests.actors.order_service import MESSAGES, new_outbox
from tests.actors.transferring import another, messages
from tests.waiting import wait_until

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(600)]

PROCESS = Path(__file__).parent / "processes" / "mirror.py"
KILLS = int(os.environ.get("OUTBOX_MIRROR_KILLS", "5"))


def test_kills_leave_each_message_at_the_destination_once_and_in_order(mongo_uri: str, database: Database[Any]) -> None:
    orders, copy = new_outbox(database), another(database)
    command = [sys.executable, str(PROCESS), *[mongo_uri, database.name] * 2]

    def start(many: int) -> list[subprocess.Popen[bytes]]:
        return [subprocess.Popen(command) for _ in range(many)]

    kill_while_put(orders, KILLS, start, copy.log.head, "no mirror has gone on")
    with Outbox(database, "copy", messages=MESSAGES) as numbering, numbering.running():
        run_once(orders, copy)
    wait_until(lambda: copy.sequence() == 0, 30, "all to be numbered")

    assert messages(copy) == messages(orders)
    seqs = [int(record.headers["origin-seq"]) for record in copy.read()]
    assert seqs == list(range(1, orders.log.head() + 1))
