"""Consumers in processes of their own, for the acceptance tests: they handle what writers commit meanwhile."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from outbox.shares.layout import load
from tests.acceptance.conftest import Start
from tests.acceptance.ledger import COPIES, Ledger
from tests.acceptance.process import Process
from tests.waiting import wait_until

RATE = 40
"""Messages a second of each writer."""
MOST_EFFECTS = 100
"""A process that is to die does so after so many at most."""
PATIENCE_SECONDS = 120.0


class Scene:
    """Writers at work, and consumers that handle what they write."""

    def __init__(self, ledger: Ledger, uri: str, start: Start, *options: object, writers: int = 4) -> None:
        self.ledger = ledger
        self._start, self._place, self._options = start, (uri, ledger.database.name), options
        ledger.create()
        self.consumers: list[Process] = []
        self.names: set[str] = set()
        self.writers = [start("write", *self._place, "--rate", RATE, "--seed", seed) for seed in range(writers)]
        self._chance = random.Random(3)

    def consumer(self, *more: object, name: str = "ledger") -> Process:
        self.names.add(name)
        self.consumers.append(self._start("consume", *self._place, "--name", name, *self._options, *more))
        return self.consumers[-1]

    def of_every_kind(self) -> None:
        """Starts a consumer of every kind; the one in transactions puts the messages into another outbox, too."""
        self.consumer("--way", "run", name="run")
        self.consumer("--way", "observe", name="observe")
        self.consumer("--way", "transaction", "--copies", COPIES, name="transaction")
        self.consumer("--way", "run", "--shares", 3, name="shares")

    def kill(self, times: int, moments: Sequence[str] = ("effect",)) -> None:
        """So many die, at these moments in turn; another stands by each time."""

        def mortal(number: int) -> Process:
            moment = moments[number % len(moments)]
            return self.consumer("--die-at", self._chance.randint(1, MOST_EFFECTS), "--moment", moment)

        standby = mortal(0)
        for kills in range(1, times + 1):
            running, standby = standby, mortal(kills)
            assert running.wait(PATIENCE_SECONDS) == -9, running.said()
        standby.kill()

    def finish(self) -> list[str]:
        """The writers end; who lives, or else a new one, handles the rest. Returns all that is wrong."""
        for writer in self.writers:
            writer.stop()
        collections = self.ledger.collections
        living = [each for each in self.consumers if each.exit_code is None] or [self.consumer()]

        def done() -> bool:
            assert all(each.exit_code is None for each in living), [each.said()[-3000:] for each in living]
            positions = [each for name in self.names for each in load(collections, f"consumer:{name}").positions]
            head = self.ledger.head()
            return self.ledger.staged() == 0 and all(each is not None and each[0] == head for each in positions)

        self.wait_until(done, "the consumers to be at the head")
        for each in living:
            each.stop()
        written = self.ledger.written(self.writers)
        faults = [self.ledger.faults_of_effects(written, name) for name in sorted(self.names)]
        return sum(faults, self.ledger.faults(written))

    def wait_for_more(self, effects: int = 50) -> None:
        """Until every consumer has done so much more."""
        enough = {name: self.ledger.done(name) + effects for name in self.names}
        self.wait_until(
            lambda: all(self.ledger.done(name) >= enough[name] for name in enough), f"{effects} more effects"
        )

    def wait_until(self, condition: Callable[[], object], why: str) -> None:
        """As tests.waiting does; when it is in vain, with what the consumers have said last."""
        try:
            wait_until(condition, PATIENCE_SECONDS, why)
        except AssertionError as failed:
            for each in self.consumers:
                failed.add_note(f"{each.pid}, exit code {each.exit_code}:\n{each.said()[-4000:]}")
            raise
