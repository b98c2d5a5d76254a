"""The commands `relay shares`, and shares by the command `relay run`."""

from __future__ import annotations

import json
from typing import Any

import pytest

from outbox import Outbox
from tests.actors.order_service import placed
from tests.actors.relay_command import RelayCommand

Document = dict[str, Any]


def test_the_number_is_given_once_shown_refused_and_changed(relay: RelayCommand, orders: Outbox) -> None:
    orders.put([placed(n, f"k{n}") for n in range(20)], standalone=True)
    early = relay("shares", "set", "3")
    assert (early.returncode, relay("shares", "show", "--json").stdout) == (1, '{"shares": null, "wanted": null}\n')
    assert "--shares 3" in early.stderr

    first = relay("run", "--once", "--shares", "2")
    assert first.returncode == 0, first.stderr
    assert "2 share(s)" in relay("shares", "show").stdout

    other = relay("run", "--once", "--shares", "4")
    assert other.returncode == 2
    assert "has 2 share(s), not 4" in other.stderr
    assert "relay shares set 4" in other.stderr

    wanted = relay("shares", "set", "4")
    assert (wanted.returncode, "2 share(s) now, to be 4" in wanted.stdout) == (0, True)
    assert json.loads(relay("shares", "show", "--json").stdout) == {"shares": 2, "wanted": 4}
    assert relay("run", "--once", "--shares", "4").returncode == 0
    assert json.loads(relay("shares", "show", "--json").stdout) == {"shares": 4, "wanted": None}

    shown = relay("cursor", "show").stdout.splitlines()
    assert [line.split(": ")[0][-9:] for line in shown] == [f"'kafka/{n}'" for n in range(1, 5)]
    assert all("seq 20" in line for line in shown)
    status = json.loads(relay("status", "--json").stdout)
    assert [each["share"] for each in status["shares"]] == [1, 2, 3, 4]
    assert relay("status").stdout.count("seq 20, 0 to go, nobody") == 4


def test_a_change_that_was_not_begun_can_be_called_off(relay: RelayCommand, orders: Outbox) -> None:
    relay("run", "--once")
    relay("shares", "set", "4")

    assert "1 share(s), as there are" in relay("shares", "set", "1").stdout
    assert json.loads(relay("shares", "show", "--json").stdout) == {"shares": 1, "wanted": None}


@pytest.mark.parametrize("number", ["0", "257", "two"])
def test_a_number_that_cannot_be_is_refused(relay: RelayCommand, number: str) -> None:
    assert relay("shares", "set", number).returncode == 2


def test_a_relay_that_leaves_the_numbering_to_others_relays_only_what_they_have_numbered(
    relay: RelayCommand, orders: Outbox
) -> None:
    orders.put(placed(1), standalone=True)
    orders.sequence()

    assert relay("run", "--once", "--no-sequence").returncode == 0

    lease = orders.collections.leases.find_one({"_id": "sequencer"})
    assert lease is not None
    assert lease["fence"] == 1, "the relay has sequenced"
