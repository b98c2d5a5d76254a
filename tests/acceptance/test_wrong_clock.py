"""One of the writers has a clock that is a year ahead."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from tests.acceptance.conftest import Start
from tests.acceptance.ledger import Ledger
from tests.waiting import wait_until


def test_a_writer_a_year_ahead_does_not_move_the_dates_of_the_others(
    ledger: Ledger, mongo_uri: str, start: Start
) -> None:
    """Watches over the clamp of `created` to the server's own time: it never decreases along the log, so without the
    clamp everybody's dates would stand still for a year."""
    ledger.create()
    place = (mongo_uri, ledger.database.name)
    each = ("--messages", 300)
    begun = datetime.now(UTC)
    sequencer = start("sequence", *place, "--lease", 10)
    ahead = start("write", *place, *each, "--seed", 1, "--year-ahead")
    right = start("write", *place, *each, "--seed", 2)
    for writer in (ahead, right):
        writer.succeed(60)
    wait_until(lambda: ledger.staged() == 0, 30, "staging to be empty")
    sequencer.stop()
    ended = datetime.now(UTC)

    assert ledger.faults(ledger.written([ahead, right])) == []
    dates = [record["created"] for batch in ledger.batches() for record in batch["records"]]
    assert dates == sorted(dates)
    assert begun <= dates[0]
    assert dates[-1] <= ended + timedelta(seconds=2), "a second's grace, and the server's stamps are whole seconds"
    assert ended - begun < timedelta(days=1)
