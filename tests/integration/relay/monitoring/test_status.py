"""Looking at a relay, and moving its cursor."""

from __future__ import annotations

from typing import Any

import pytest

from outbox import Outbox
from relay import Relay
from relay.monitoring.status import relay_status
from relay.testing import MemorySink, MemoryTransactions
from tests.actors.order_service import foreign, placed, unchecked
from tests.actors.relay_thread import numbered, run_once

pytestmark = pytest.mark.oldest_server

Document = dict[str, Any]


def test_status_says_how_far_it_is(orders: Outbox) -> None:
    numbered(orders, 3)
    before = relay_status(orders, "kafka").as_dict()
    run_once(Relay(orders, MemorySink()))
    numbered(orders, 2)
    orders.put(placed(1), standalone=True)

    after = relay_status(orders, "kafka").as_dict()

    third = orders.log.record_at(3)
    assert third is not None
    assert (before["cursor"], before["lag_records"], before["lag_seconds"]) == (None, None, None)
    assert list(after) == [
        "database", "outbox", "name", "delivery", "head", "oldest", "cursor", "lag_records", "lag_seconds", "staging",
        "holder", "silent_seconds", "paused", "stopped", "fence", "dead", "parked", "headroom", "held", "shares",
    ]  # fmt: skip
    assert after["cursor"]["id"] == str(third.id)
    assert (after["head"], after["oldest"], after["cursor"]["seq"], after["lag_records"]) == (5, 1, 3, 2)
    assert 0 <= after["lag_seconds"] < 60
    assert (after["staging"], after["holder"], after["fence"]) == (1, None, 1)
    alone = {
        "share": 1,
        "cursor": after["cursor"],
        "lag_records": 2,
        "holder": None,
        "fence": 1,
        "silent_seconds": None,
    }
    assert after["shares"] == (alone,)


def test_status_says_how_the_last_relay_delivered_also_when_it_had_nothing_to_do(orders: Outbox) -> None:
    numbered(orders, 3)
    said = [relay_status(orders, "kafka").delivery]
    for sink in (MemorySink(), MemoryTransactions(), MemorySink()):
        run_once(Relay(orders, sink))
        said.append(relay_status(orders, "kafka").delivery)

    assert said == [None, "at-least-once", "exactly-once", "at-least-once"]


@pytest.mark.parametrize("at", ["no stamp", None])
def test_the_status_of_what_went_past_the_validator_can_be_had(orders: Outbox, at: object) -> None:
    unchecked(orders, foreign(at=at))

    assert (orders.status().staging, orders.status().unsequenced) == (1, False)
