"""A process that has not the rights of a sequencer: it says so, and leaves the work to others."""

from __future__ import annotations

import logging
import threading
from typing import Any

import pytest
from pymongo.database import Database

from outbox import Outbox
from outbox.sequencer import loop
from outbox.sequencer.loop import run_sequencer
from outbox.sequencer.sequencer import Sequencer
from tests.actors.order_service import new_outbox, placed
from tests.integration.outbox.monitoring.test_privileges import As, Privilege, as_user, database, root
from tests.waiting import wait_until

__all__ = ["as_user", "database", "root"]
Document = dict[str, Any]


def test_a_process_that_may_not_sequence_says_so_once_and_leaves_the_lease_to_others(
    database: Database[Document], as_user: As, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "UNAUTHORIZED_SECONDS", 60.0)
    orders = new_outbox(database)
    orders.put(placed(1), standalone=True)
    stop = threading.Event()
    with as_user("outboxSequencer", Privilege("outboxSequencer", "outbox", "collMod")) as user:
        collections = Outbox(user).collections
        thread = threading.Thread(target=run_sequencer, args=(collections, Sequencer(collections), stop))
        thread.start()
        wait_until(lambda: errors_of(caplog), 20, "an error")
        wait_until(lambda: orders.sequence() == 1, 20, "another process to have the lease")
        stop.set()
        thread.join(20)

    [said] = errors_of(caplog)
    assert "execute collMod on outbox" in said
    assert "docs/security.md" in said
    assert "sequence=False" in said


def errors_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [each.getMessage() for each in caplog.records if each.levelno == logging.ERROR]
