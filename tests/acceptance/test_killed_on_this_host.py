"""A process that is killed (SIGKILL) is succeeded on the same host at once, though its lease would last ten minutes."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from outbox.mongo.process_identity import this_process
from outbox.shares.layout import load
from tests.acceptance.conftest import Start
from tests.acceptance.ledger import Ledger
from tests.acceptance.process import Process
from tests.acceptance.topic import Topic
from tests.waiting import wait_until

LEASE_SECONDS = 600
PATIENCE_SECONDS = 120.0
"""For a loaded machine; a successor that waits for the lease needs five times as long."""

pytestmark = [
    pytest.mark.heavy,
    pytest.mark.timeout(400),
    pytest.mark.skipif(this_process() is None, reason="only Linux tells which process it is"),
]


class Scene:
    """A writer at work, and processes with long leases."""

    def __init__(self, ledger: Ledger, mongo_uri: str, topic: Topic, start: Start) -> None:
        self._ledger, self._topic, self._start = ledger, topic, start
        self._place = (mongo_uri, ledger.database.name)
        ledger.create()
        start("write", *self._place, "--rate", 50, "--seed", 0)

    def sequencer(self) -> Process:
        return self._start("sequence", *self._place, "--lease", LEASE_SECONDS)

    def relay(self, *options: object) -> Process:
        uri, database = self._place
        place = ("--mongo", uri, "--database", database, "--kafka", self._topic.bootstrap, "--topic", self._topic.name)
        return self._start("relay_with", "--lease", LEASE_SECONDS, "run", *place, *options)

    def holders(self, *roles: str) -> set[int]:
        """The ids of the processes that have these leases."""
        found = self._ledger.collections.leases.find({"_id": {"$in": roles}, "owner": {"$ne": None}})
        return {int(each["owner"].split(":")[-2]) for each in found}

    def wait_until_held(self, by: Process, *roles: str) -> None:
        wait_until(lambda: self.holders(*roles) == {by.pid}, PATIENCE_SECONDS, f"{by.pid} to have {roles}")

    def wait_for_more(self, count: Callable[[], int]) -> None:
        enough = count() + 20
        wait_until(lambda: count() >= enough, PATIENCE_SECONDS, "20 more")


@pytest.fixture
def scene(ledger: Ledger, mongo_uri: str, ledger_topic: Topic, start: Start) -> Scene:
    return Scene(ledger, mongo_uri, ledger_topic, start)


@pytest.mark.parametrize("stands_by", [True, False], ids=["one that stands by", "one that is started then"])
def test_a_sequencer_s_successor_numbers_at_once(scene: Scene, ledger: Ledger, stands_by: bool) -> None:
    killed = scene.sequencer()
    scene.wait_until_held(killed, "sequencer")
    scene.wait_for_more(ledger.head)
    standby = scene.sequencer() if stands_by else None
    killed.kill()

    scene.wait_until_held(scene.sequencer() if standby is None else standby, "sequencer")
    scene.wait_for_more(ledger.head)


@pytest.mark.parametrize("stands_by", [True, False], ids=["one that stands by", "one that is started then"])
def test_a_relay_s_successor_sends_at_once(scene: Scene, ledger_topic: Topic, stands_by: bool) -> None:
    """And numbers: the relay that was killed had done that, too."""
    killed = scene.relay()
    scene.wait_until_held(killed, "relay:kafka", "sequencer")
    scene.wait_for_more(ledger_topic.end)
    standby = scene.relay() if stands_by else None
    if standby is not None:
        wait_until(lambda: "this one stands by" in standby.said(), PATIENCE_SECONDS, "the second to stand by")
    killed.kill()

    scene.wait_until_held(scene.relay() if standby is None else standby, "relay:kafka", "sequencer")
    scene.wait_for_more(ledger_topic.end)


@pytest.mark.parametrize("stands_by", [True, False], ids=["one that shares", "one that is started then"])
def test_all_shares_of_a_relay_are_worked_on_at_once(
    scene: Scene, ledger: Ledger, ledger_topic: Topic, stands_by: bool
) -> None:
    """Goes red when a member that is gone keeps its part for as long as the lease lasts."""
    shares = ("relay:kafka/1", "relay:kafka/2")
    killed = scene.relay("--shares", 2)
    scene.wait_until_held(killed, *shares)
    wait_until(lambda: load(ledger.collections, "relay:kafka").shares == 2, PATIENCE_SECONDS, "two shares")
    sharer = None
    if stands_by:
        sharer = scene.relay()
        members = {"_id": "relay:kafka", "members": {"$exists": True}}
        wait_until(
            lambda: len((ledger.collections.leases.find_one(members) or {"members": {}})["members"]) == 2,
            PATIENCE_SECONDS,
            "two members",
        )
    killed.kill()

    scene.wait_until_held(scene.relay() if sharer is None else sharer, *shares, "sequencer")
    scene.wait_for_more(ledger_topic.end)
