"""The relay dies with records in flight, again and again, while four writers commit."""

from __future__ import annotations

import os
import random

import pytest

from outbox.shares.layout import share_cursor
from tests.acceptance.conftest import Start
from tests.acceptance.ledger import Ledger, duplicates
from tests.acceptance.topic import Topic
from tests.waiting import wait_until

pytestmark = pytest.mark.heavy

KILLS = {"write": 10, "write_async": int(os.environ.get("ASYNC_KILLS", "3"))}
"""By the script of the writers. What differs is how they put; so few kills, unless more are asked for."""
A_KILL = 1000
"""Messages that are written for each."""
WRITERS = 4
A_RECORD_A_REQUEST = ("--set", "batch.num.messages=1")  # slow enough to be caught in the middle


@pytest.mark.timeout(600)
@pytest.mark.parametrize("script", KILLS)
def test_kills_lose_nothing_and_keep_each_keys_order(
    ledger: Ledger, mongo_uri: str, kafka: str, ledger_topic: Topic, start: Start, script: str
) -> None:
    """Watches over the cursor: saved only over what was acknowledged without a gap, and never before."""
    ledger.create()
    place = (mongo_uri, ledger.database.name)
    wanted = KILLS[script]
    each = ("--messages", wanted * A_KILL // WRITERS, "--rate", 200)
    writers = [start(script, *place, *each, "--seed", seed) for seed in range(WRITERS)]
    relay = ("relay_with", "--lease", 1, "run", "--mongo", mongo_uri, "--database", ledger.database.name)
    relay += ("--kafka", kafka, "--topic", ledger_topic.name)
    cursors = share_cursor(ledger.collections.cursors, "relay:kafka")
    chance = random.Random(3)

    kills = 0
    standby = start(*relay, *A_RECORD_A_REQUEST)
    while kills < wanted:
        running, standby = standby, start(*relay, *A_RECORD_A_REQUEST)
        enough = ledger_topic.end() + chance.randint(1, 300)
        wait_until(lambda: ledger_topic.end() >= enough or running.exit_code is not None, 30, "records in Kafka")  # noqa: B023
        running.kill()
        assert running.exit_code == -9, running.said()
        cursor = cursors.load()
        assert cursor is not None
        kills += ledger.head() > cursor[0]  # records were in flight

    standby.kill()
    for writer in writers:
        writer.succeed(120)
    start(*relay, "--once").succeed(240)
    seen = ledger_topic.records()
    assert ledger.faults(ledger.written(writers), seen) == []
    assert duplicates(seen) > 0, "nothing came twice, so nothing was killed in flight"
