"""The command `relay acts`."""

from __future__ import annotations

import json

from outbox import Outbox
from tests.actors.order_service import placed
from tests.actors.relay_command import RelayCommand


def test_acts_shows_what_was_done_by_hand_and_why(relay: RelayCommand, orders: Outbox) -> None:
    orders.put(placed(1), standalone=True)
    relay("run", "--once")
    relay("pause", "--reason", "the topic is rebuilt")
    relay("dead", "discard", "--all", "--yes", "--reason", "a test's")

    acts = [json.loads(line) for line in relay("acts", "--json").stdout.splitlines()]

    assert [(each["what"], each["reader"], each["reason"]) for each in acts] == [
        ("discard", "relay:kafka", "a test's"), ("pause", "relay:kafka", "the topic is rebuilt"),
    ]  # fmt: skip
