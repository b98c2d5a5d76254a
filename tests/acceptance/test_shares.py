"""Several processes share a relay or a consumer by key: they come, end, freeze, are killed, and the number changes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import pytest

from outbox.shares import layout
from tests.acceptance.conftest import Start
from tests.acceptance.ledger import Ledger, Seen, content_faults, duplicates
from tests.acceptance.process import Process
from tests.acceptance.topic import Topic
from tests.waiting import wait_until

LEASE_SECONDS = 6
"""The first transaction of a new Kafka takes seconds on a busy machine, and no lease can be renewed meanwhile."""
WRITERS = 2
RATE = 40
PATIENCE_SECONDS = 90.0

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(300)]


class Relays:
    """What is shared: a relay to Kafka."""

    reader, begins = "relay:kafka", "relaying after"

    def __init__(self, ledger: Ledger, mongo_uri: str, start: Start, topic: Topic, exactly_once: bool) -> None:
        self.exactly_once = exactly_once
        self._start, self._topic = start, topic
        place = ("--mongo", mongo_uri, "--database", ledger.database.name, "--kafka", topic.bootstrap)
        more = ("--exactly-once", "--create-topic", "partitions=3,replication=1") if exactly_once else ()
        self._arguments = ("--lease", LEASE_SECONDS, "run", *place, "--topic", topic.name, *more)

    def begin(self, *more: object) -> Process:
        return self._start("relay_with", *self._arguments, *more)

    def done(self) -> int:
        return self._topic.end()

    def seen(self) -> list[Seen]:
        return self._topic.records("read_committed")


class Consumers:
    """What is shared: a consumer."""

    reader, begins = "consumer:ledger", "handling after"

    def __init__(self, ledger: Ledger, mongo_uri: str, start: Start, exactly_once: bool) -> None:
        self.exactly_once = exactly_once
        self._start, self._ledger = start, ledger
        way = ("--way", "transaction", "--batch", 20) if exactly_once else ("--way", "run")
        self._arguments = (mongo_uri, ledger.database.name, *way)

    def begin(self, *more: object) -> Process:
        return self._start("consume", *self._arguments, *more)

    def done(self) -> int:
        return self._ledger.done()

    def seen(self) -> list[Seen]:
        return self._ledger.effects()


@pytest.fixture(params=["relay", "relay in transactions", "consumer", "consumer in transactions"])
def scene(request: pytest.FixtureRequest, ledger: Ledger, mongo_uri: str, start: Start) -> Scene:
    exactly_once = request.param.endswith("in transactions")
    if request.param.startswith("relay"):
        topic = request.getfixturevalue("ledger_topic")
        return Scene(ledger, mongo_uri, start, Relays(ledger, mongo_uri, start, topic, exactly_once))
    return Scene(ledger, mongo_uri, start, Consumers(ledger, mongo_uri, start, exactly_once))


class Scene:
    """Writers at work, and processes that share what is done with what they write."""

    def __init__(self, ledger: Ledger, mongo_uri: str, start: Start, shared: Relays | Consumers) -> None:
        self.ledger, self.shared = ledger, shared
        ledger.create()
        place = (mongo_uri, ledger.database.name)
        self.workers: list[Process] = []
        self.writers = [start("write", *place, "--rate", RATE, "--seed", seed) for seed in range(WRITERS)]

    def worker(self, *more: object) -> Process:
        self.workers.append(self.shared.begin(*more))
        return self.workers[-1]

    def repeated(self) -> int:
        return duplicates(self.shared.seen())

    def wait_until(self, condition: Callable[[], object], why: str) -> None:
        """As tests.waiting does; when it is in vain, with what the workers have said last."""
        try:
            wait_until(condition, PATIENCE_SECONDS, why)
        except AssertionError as failed:
            for each in self.workers:
                failed.add_note(f"{each.pid}, exit code {each.exit_code}:\n{each.said()[-4000:]}")
            raise

    def parts(self) -> Counter[int]:
        """How many shares each process has, by its id."""
        held = self.ledger.collections.leases.find(
            {"_id": {"$regex": f"^{self.shared.reader}/"}, "owner": {"$ne": None}}
        )
        return Counter(int(each["owner"].split(":")[-2]) for each in held)

    def wait_for_parts(self, parts: Sequence[int], workers: Sequence[Process]) -> None:
        """Until the processes that are alive have these parts, in any order."""

        def spread() -> bool:
            ended = [worker.said()[-3000:] for worker in workers if worker.exit_code is not None]
            assert ended == []
            found = self.parts()
            return sorted(found.values()) == sorted(parts) and found.keys() == {worker.pid for worker in workers}

        self.wait_until(spread, f"parts of {parts}")

    def wait_for_more(self, records: int = 50) -> None:
        enough = self.shared.done() + records
        self.wait_until(lambda: self.shared.done() >= enough, f"{records} more records to be delivered")

    def change(self, number: int, meanwhile: Callable[[], object] = lambda: None) -> None:
        layout.request_shares(self.ledger.collections, self.shared.reader, number)
        meanwhile()
        self.wait_until(
            lambda: layout.load(self.ledger.collections, self.shared.reader)[:2] == (number, None), f"{number} share(s)"
        )

    def finish(self, workers: Sequence[Process]) -> list[str]:
        """The writers end, the workers deliver the rest and end; returns all that is wrong."""
        for writer in self.writers:
            writer.stop()
        head = wait_until(lambda: self.ledger.staged() == 0 and self.ledger.head(), PATIENCE_SECONDS, "empty staging")

        def delivered() -> bool:
            found = layout.load(self.ledger.collections, self.shared.reader).positions
            return all(each is not None and each[0] == head for each in found)

        self.wait_until(delivered, "all shares to be at the head")
        for worker in workers:
            worker.stop()
        written = self.ledger.written(self.writers)
        found = self.ledger.faults(written) + content_faults("what was delivered", self.shared.seen(), written)
        if self.shared.exactly_once and (repeated := self.repeated()):
            found.append(f"{repeated} record(s) were delivered twice")
        return found


@pytest.mark.usefixtures("transactions_ended")
def test_processes_that_come_end_freeze_and_are_killed_lose_nothing_and_keep_each_keys_order(scene: Scene) -> None:
    """Goes red when a share is taken without waiting for its lease, or kept beyond it."""
    first = scene.worker("--shares", 4)
    scene.wait_for_parts([4], [first])
    second = scene.worker()
    scene.wait_for_parts([2, 2], [first, second])
    third, fourth = scene.worker(), scene.worker()
    scene.wait_for_parts([1, 1, 1, 1], [first, second, third, fourth])
    scene.wait_for_more()

    first.kill()
    scene.wait_for_parts([2, 1, 1], [second, third, fourth])
    scene.wait_for_more()

    second.pause()
    scene.wait_for_parts([2, 2], [third, fourth])
    scene.wait_for_more()
    second.resume()
    scene.wait_for_parts([2, 1, 1], [second, third, fourth])

    third.stop()
    fourth.stop()
    scene.wait_for_parts([4], [second])
    scene.wait_for_more()

    assert scene.finish([second]) == []


@pytest.mark.usefixtures("transactions_ended")
def test_the_number_of_shares_changes_under_load_and_nothing_is_lost_or_out_of_order(scene: Scene) -> None:
    """Goes red when a change does not carry where each share stood."""
    first = scene.worker()
    scene.wait_until(lambda: scene.shared.begins in first.said(), "one without shares")
    second = scene.worker()
    scene.wait_for_more()
    for number, parts in ((4, [2, 2]), (8, [4, 4]), (3, [2, 1])):
        scene.change(number)
        scene.wait_for_parts(parts, [first, second])
        scene.wait_for_more(30)
    scene.change(1)
    scene.wait_for_more(30)
    repeated = scene.repeated()

    scene.change(4, second.kill)
    scene.wait_for_parts([4], [first])
    scene.wait_for_more(30)

    assert scene.finish([first]) == []
    assert repeated == 0, "a change in good order delivered something twice"
