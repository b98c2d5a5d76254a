"""The commands `relay cursor …`."""

from __future__ import annotations

import json
from typing import Any

from outbox import Outbox
from tests.actors.order_service import placed
from tests.actors.relay_command import RelayCommand

Document = dict[str, Any]


def test_the_cursor_is_shown_and_moved(relay: RelayCommand, orders: Outbox) -> None:
    orders.put([placed(total) for total in range(5)], standalone=True)
    relay("run", "--once")

    moved = relay("cursor", "set", "2")
    shown = json.loads(relay("cursor", "show", "--json").stdout)

    assert moved.returncode == 0, moved.stderr
    assert moved.stdout.endswith("was seq 5, now 2; seq 3 comes next\n")
    assert shown["seq"] == 2
    assert "seq 2" in relay("cursor", "show").stdout


def test_a_cursor_is_forgotten_and_holds_nobody_back(relay: RelayCommand, orders: Outbox) -> None:
    orders.collections.cursors.insert_one({"_id": "relay:old", "seq": 0, "created": None, "id": None, "fence": 1})

    first, second = relay("cursor", "forget", "old"), relay("cursor", "forget", "old")

    assert (first.returncode, second.returncode) == (0, 1)
    assert orders.collections.cursors.find_one() is None
    assert "no cursor" in second.stderr
