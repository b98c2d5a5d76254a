"""Several processes share the relaying by key: they come, end, are killed and freeze, and the shares change."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import pytest

from outbox.shares import layout
from tests.acceptance.conftest import Start
from tests.acceptance.ledger import Ledger, duplicates
from tests.acceptance.process import Process
from tests.acceptance.topic import Topic
from tests.waiting import wait_until

LEASE_SECONDS = 6
"""The first transaction of a new Kafka takes seconds on a busy machine, and no lease can be renewed meanwhile."""
WRITERS = 2
RATE = 100
PATIENCE_SECONDS = 90.0

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(300)]
EITHER = pytest.mark.parametrize("exactly_once", [False, True], ids=["at least once", "exactly once"])


class Scene:
    """Writers at work, and relays that share what they write."""

    def __init__(self, ledger: Ledger, mongo_uri: str, topic: Topic, start: Start, *options: str) -> None:
        self.ledger, self.topic = ledger, topic
        self._start, self._uri, self._options = start, mongo_uri, options
        ledger.create()
        place = (mongo_uri, ledger.database.name)
        self.relays: list[Process] = []
        self.writers = [start("write", *place, "--rate", RATE, "--seed", seed) for seed in range(WRITERS)]

    def relay(self, *more: object) -> Process:
        place = ("--mongo", self._uri, "--database", self.ledger.database.name, "--kafka", self.topic.bootstrap)
        options = (*place, "--topic", self.topic.name, *self._options, *more)
        self.relays.append(self._start("relay_with", "--lease", LEASE_SECONDS, "run", *options))
        return self.relays[-1]

    def wait_until(self, condition: Callable[[], object], why: str) -> None:
        """As tests.waiting does; when it is in vain, with what the relays have said last."""
        try:
            wait_until(condition, PATIENCE_SECONDS, why)
        except AssertionError as failed:
            for each in self.relays:
                failed.add_note(f"{each.pid}, exit code {each.exit_code}:\n{each.said()[-4000:]}")
            raise

    def parts(self) -> Counter[int]:
        """How many shares each process has, by its id."""
        held = self.ledger.collections.leases.find({"_id": {"$regex": "^relay:kafka/"}, "owner": {"$ne": None}})
        return Counter(int(each["owner"].split(":")[-2]) for each in held)

    def wait_for_parts(self, parts: Sequence[int], relays: Sequence[Process]) -> None:
        """Until the processes that are alive have these parts, in any order."""

        def spread() -> bool:
            ended = [relay.said()[-3000:] for relay in relays if relay.exit_code is not None]
            assert ended == []
            found = self.parts()
            return sorted(found.values()) == sorted(parts) and found.keys() == {relay.pid for relay in relays}

        self.wait_until(spread, f"parts of {parts}")

    def wait_for_more(self, records: int = 50) -> None:
        enough = self.topic.end() + records
        self.wait_until(lambda: self.topic.end() >= enough, f"{records} more records in Kafka")

    def change(self, number: int, meanwhile: Callable[[], object] = lambda: None) -> None:
        layout.request_shares(self.ledger.collections, "relay:kafka", number)
        meanwhile()
        self.wait_until(
            lambda: layout.load(self.ledger.collections, "relay:kafka")[:2] == (number, None), f"{number} share(s)"
        )

    def finish(self, relays: Sequence[Process]) -> list[str]:
        """The writers end, the relays deliver the rest and end; returns all that is wrong."""
        for writer in self.writers:
            writer.stop()
        head = wait_until(lambda: self.ledger.staged() == 0 and self.ledger.head(), PATIENCE_SECONDS, "empty staging")

        def delivered() -> bool:
            found = layout.load(self.ledger.collections, "relay:kafka").positions
            return all(each is not None and each[0] == head for each in found)

        self.wait_until(delivered, "all shares to be at the head")
        for relay in relays:
            relay.stop()
        return self.ledger.faults(self.ledger.written(self.writers), self.topic.records())


@EITHER
def test_processes_that_come_end_freeze_and_are_killed_lose_nothing_and_keep_each_keys_order(
    ledger: Ledger, mongo_uri: str, ledger_topic: Topic, start: Start, exactly_once: bool
) -> None:
    """Goes red when a share is taken without waiting for its lease, or kept beyond it."""
    more = ("--exactly-once", "--create-topic", "partitions=3,replication=1") if exactly_once else ()
    scene = Scene(ledger, mongo_uri, ledger_topic, start, *more)
    first = scene.relay("--shares", 4)
    scene.wait_for_parts([4], [first])
    second = scene.relay()
    scene.wait_for_parts([2, 2], [first, second])
    third = scene.relay()
    scene.wait_for_parts([2, 1, 1], [first, second, third])
    scene.wait_for_more()

    first.kill()
    scene.wait_for_parts([2, 2], [second, third])
    scene.wait_for_more()

    second.pause()
    scene.wait_for_parts([4], [third])
    scene.wait_for_more()
    second.resume()
    scene.wait_for_parts([2, 2], [second, third])

    third.stop()
    scene.wait_for_parts([4], [second])
    scene.wait_for_more()

    assert scene.finish([second]) == []
    if exactly_once:
        assert duplicates(ledger_topic.records("read_committed")) == 0


@EITHER
def test_the_number_of_shares_changes_under_load_and_nothing_is_lost_or_out_of_order(
    ledger: Ledger, mongo_uri: str, ledger_topic: Topic, start: Start, exactly_once: bool
) -> None:
    """Goes red when a change does not carry where each share stood."""
    more = ("--exactly-once", "--create-topic", "partitions=3,replication=1") if exactly_once else ()
    scene = Scene(ledger, mongo_uri, ledger_topic, start, *more)
    first = scene.relay()
    scene.wait_until(lambda: "relaying after" in first.said(), "one relay without shares")
    second = scene.relay()
    scene.wait_for_more()
    for number, parts in ((4, [2, 2]), (8, [4, 4]), (3, [2, 1])):
        scene.change(number)
        scene.wait_for_parts(parts, [first, second])
        scene.wait_for_more(30)
    scene.change(1)
    scene.wait_for_more(30)
    repeated = duplicates(ledger_topic.records("read_committed"))

    scene.change(4, second.kill)
    scene.wait_for_parts([4], [first])
    scene.wait_for_more(30)

    assert scene.finish([first]) == []
    assert repeated == 0, "a change in good order sent something twice"
    if exactly_once:
        assert duplicates(ledger_topic.records("read_committed")) == 0
