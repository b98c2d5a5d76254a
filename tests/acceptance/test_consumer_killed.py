"""A consumer dies between the effect and its acknowledgement, again and again, while four writers commit."""

from __future__ import annotations

import os

import pytest

from tests.acceptance.conftest import Start
from tests.acceptance.consumers import Scene
from tests.acceptance.ledger import COPIES, Ledger, duplicates

pytestmark = [pytest.mark.heavy, pytest.mark.usefixtures("transactions_ended")]

KILLS = int(os.environ.get("OUTBOX_TEST_KILLS", "6"))
MOMENTS = ("effect", "moved", "committed")


@pytest.mark.timeout(200 + 20 * KILLS)
@pytest.mark.parametrize("way", ["run", "observe"])
def test_kills_between_effect_and_acknowledgement_lose_nothing_and_keep_each_keys_order(
    ledger: Ledger, mongo_uri: str, start: Start, way: str
) -> None:
    """Watches over the position: it is saved only over what was acknowledged without a gap."""
    scene = Scene(ledger, mongo_uri, start, "--way", way)
    scene.kill(KILLS)

    assert scene.finish() == []
    assert duplicates(ledger.effects()) >= KILLS, "what was done when it died comes again"


@pytest.mark.timeout(200 + 20 * KILLS)
@pytest.mark.parametrize("batch", [1, 100])
def test_kills_in_transactions_leave_each_effect_once_and_in_order(
    ledger: Ledger, mongo_uri: str, start: Start, batch: int
) -> None:
    """Watches over the position in the transaction of the effects."""
    scene = Scene(ledger, mongo_uri, start, "--way", "transaction", "--batch", batch)
    scene.kill(KILLS, MOMENTS)

    assert scene.finish() == []
    assert duplicates(ledger.effects()) == 0


@pytest.mark.timeout(200 + 20 * KILLS)
def test_what_a_handler_puts_into_another_outbox_is_there_once_and_in_order(
    ledger: Ledger, mongo_uri: str, start: Start
) -> None:
    """Watches over the put in the handler's transaction."""
    ledger.create_copies()
    scene = Scene(ledger, mongo_uri, start, "--way", "transaction", "--copies", COPIES)
    scene.kill(KILLS, MOMENTS)

    assert scene.finish() == []
    assert ledger.faults_of_copies(ledger.written(scene.writers)) == []
