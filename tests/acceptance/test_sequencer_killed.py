"""The sequencing process dies in the middle of its work, again and again."""

from __future__ import annotations

from itertools import cycle, islice

import pytest

from tests.acceptance.conftest import Start
from tests.acceptance.ledger import Ledger
from tests.waiting import wait_until

pytestmark = pytest.mark.heavy

KILLS = 20
WRITERS = 2


def test_twenty_kills_leave_a_gapless_log_with_every_message_once_and_in_order(
    ledger: Ledger, mongo_uri: str, start: Start
) -> None:
    """Watches over taking over: what the last holder appended is deleted from staging before anything is numbered."""
    ledger.create()
    place = (mongo_uri, ledger.database.name)
    writers = [start("write", *place, "--rate", 150, "--seed", seed) for seed in range(WRITERS)]
    ways_to_die = ["appending", "appended", "deleting", "outside"]

    for way in islice(cycle(ways_to_die), KILLS):
        before = ledger.head()
        die = [] if way == "outside" else ["--die", way]
        sequencer = start("sequence", *place, "--lease", 0.5, "--batch", 2, *die)
        if way == "outside":
            wait_until(lambda before=before: ledger.head() > before, 30, "the sequencer to append")
            sequencer.kill()
        assert sequencer.wait(30) == -9, sequencer.said()
        assert ledger.head() > before or way == "deleting"

    last = start("sequence", *place, "--lease", 0.5)
    for writer in writers:
        writer.stop()
    wait_until(lambda: ledger.staged() == 0, 30, "staging to be empty")
    last.stop()
    assert ledger.faults(ledger.written(writers)) == []
