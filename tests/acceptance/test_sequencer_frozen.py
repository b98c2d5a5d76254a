"""A sequencer freezes between its last check and its append, for longer than its lease, and then goes on."""

from __future__ import annotations

import pytest

from outbox import Outbox
from outbox.log.log import validator
from tests.acceptance.conftest import Start
from tests.acceptance.ledger import Ledger, log_faults
from tests.acceptance.process import Process
from tests.acceptance.processes.entry import Entry
from tests.waiting import wait_until

LEASE_SECONDS = 1.0
REFUSED = "a newer sequencer has fenced the log"
"""What a sequencer says when the server answers its append with 121."""


class Thaw:
    """Three entries are put; one sequencer freezes with them in hand; another takes over, and numbers 1, 2, 3 and what
    comes after."""

    def __init__(self, ledger: Ledger, uri: str, start: Start) -> None:
        self.ledger = ledger
        self.outbox = Outbox(ledger.database, messages=[Entry], sequence=False)
        self._number = 0
        ledger.create(max_message_bytes=100_000, capacity="5 MiB")
        self.put(3)
        place = (uri, ledger.database.name, "--lease", LEASE_SECONDS)
        self.frozen: Process = start("sequence", *place, "--freeze")
        self.frozen.wait_until_frozen()
        self.working: Process = start("sequence", *place)
        self.wait_until_numbered()

    def put(self, count: int) -> None:
        """Each of a kilobyte."""
        numbers = range(self._number + 1, self._number + count + 1)
        self.outbox.put(
            [Entry(account="account-0", number=number, padding="x" * 1000) for number in numbers], standalone=True
        )
        self._number += count

    def wait_until_numbered(self) -> None:
        wait_until(lambda: self.ledger.head() == self._number and self.ledger.staged() == 0, 30, "the other to number")

    def roll(self) -> None:
        """Until the log holds nothing any more of what it held when the sequencer froze."""
        for _ in range(10):
            self.put(1000)
            self.wait_until_numbered()
        assert self.ledger.oldest() > 3

    def thaw(self, word: str, *, fenced: bool = True) -> None:
        """Lets the frozen one go on until it has said `word` of its append, and everybody a little further."""
        if not fenced:
            self.working.pause()  # it would put the fence up again
            database, log = self.ledger.database, self.ledger.collections.log
            database.command("collMod", log.name, validator=validator(0))
        self.frozen.resume()
        wait_until(lambda: word in self.frozen.said(), 30, f"{word!r} in {self.frozen.output}")
        if not fenced:
            self.working.resume()
        self.put(3)
        self.wait_until_numbered()


@pytest.mark.parametrize("rolled", [False, True], ids=["its number is in the log", "the log has rolled over it"])
def test_the_server_refuses_what_a_thawed_sequencer_appends(
    ledger: Ledger, mongo_uri: str, start: Start, rolled: bool
) -> None:
    """Watches over the fence in the log's validator (121)."""
    thaw = Thaw(ledger, mongo_uri, start)
    seen: list[int] = []
    errors: list[Exception] = []
    thaw.outbox.observe(start=1).subscribe(lambda record: seen.append(record.seq), errors.append)
    wait_until(lambda: len(seen) == 3, 30, "the first three")
    if rolled:
        thaw.roll()

    thaw.thaw(REFUSED)

    head = ledger.head()
    wait_until(lambda: errors or seen[-1] == head, 30, "the subscriber to be at the head")
    thaw.outbox.close()
    assert errors == []
    assert seen == list(range(1, head + 1))
    assert log_faults(ledger.log()) == []
    assert "another sequencer appended the same number" not in thaw.frozen.said()


def test_without_the_fence_a_thawed_sequencer_damages_a_log_that_has_rolled_over(
    ledger: Ledger, mongo_uri: str, start: Start
) -> None:
    """The same, with the fence taken out: the `_id` alone protects only as long as the log still holds it."""
    thaw = Thaw(ledger, mongo_uri, start)
    thaw.roll()

    thaw.thaw("thawed, and appended", fenced=False)

    assert any("to 1" in fault for fault in log_faults(ledger.log()))


def test_without_the_fence_a_number_that_is_in_the_log_is_not_taken_twice(
    ledger: Ledger, mongo_uri: str, start: Start
) -> None:
    """Watches over the second barrier: `_id` is unique (11000)."""
    thaw = Thaw(ledger, mongo_uri, start)

    thaw.thaw("another sequencer appended the same number", fenced=False)

    assert log_faults(ledger.log()) == []
