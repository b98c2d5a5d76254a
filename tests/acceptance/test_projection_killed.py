"""A projection's processes die at their worst moments, again and again, while four writers commit."""

from __future__ import annotations

import os

import pytest

from tests.acceptance.conftest import Start
from tests.acceptance.ledger import Ledger
from tests.acceptance.projections import ProjectionScene

pytestmark = [pytest.mark.heavy, pytest.mark.usefixtures("transactions_ended")]

KILLS = int(os.environ.get("OUTBOX_TEST_KILLS", "6"))


@pytest.mark.timeout(200 + 20 * KILLS)
def test_kills_while_states_are_written_leave_each_message_in_them_once_and_in_order(
    ledger: Ledger, mongo_uri: str, start: Start
) -> None:
    """Watches over the states and the position in one transaction."""
    scene = ProjectionScene(ledger, mongo_uri, start, "--snapshot-every", 7)
    scene.kill(KILLS, ("apply", "moved", "committed"))

    assert scene.finish() == []


@pytest.mark.timeout(200 + 20 * KILLS)
def test_kills_in_a_swap_leave_the_states_whole(ledger: Ledger, mongo_uri: str, start: Start) -> None:
    """Watches over the swap: all states and the position in one transaction, and only when these are no further."""
    scene = ProjectionScene(ledger, mongo_uri, start, "--rebuild")
    scene.kill(KILLS, ("copied", "swapped", "moved"))

    assert scene.finish() == []


@pytest.mark.timeout(300)
def test_shares_that_come_end_and_are_killed_and_a_new_version_leave_each_message_once(
    ledger: Ledger, mongo_uri: str, start: Start
) -> None:
    """Watches over the version in the transaction: whoever is of an older one stands by."""
    scene = ProjectionScene(ledger, mongo_uri, start)
    first = scene.consumer("--shares", 3)
    scene.wait_for_more()
    second, third = scene.consumer(), scene.consumer("--rebuild")
    scene.wait_for_more()
    first.kill()
    scene.wait_for_more()
    second.pause()
    scene.wait_for_more(200)
    second.resume()
    scene.consumer("--version", 2)
    scene.wait_for_more()
    third.stop()

    assert scene.finish(version=2) == []
