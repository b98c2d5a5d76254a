"""The command `outbox acts APP`, and `--reason` of those that act."""

from __future__ import annotations

import json

from outbox import Outbox
from tests.actors.order_service import placed
from tests.actors.running import Handled, put, running
from tests.integration.outbox.cli.shell import Shell

BILLING = "consumer:billing"


def test_acts_shows_who_did_what_and_why_the_newest_first(shell: Shell, orders: Outbox) -> None:
    put(orders, placed(1))
    with running(orders.consumer("billing"), handled := Handled()):
        handled.sees(1)
    none = shell.run("acts", "shop:orders")

    shell.run("readers", "shop:orders", "pause", BILLING, "--reason", "the ledger moves")
    shell.run("dead", "shop:orders", "discard", "--all", "--yes", "--reader", BILLING, "--reason", "a test's \x1b[31m")
    lines = [json.loads(line) for line in shell.run("acts", "shop:orders", "--json").stdout.splitlines()]
    table = shell.run("acts", "shop:orders", "--limit", "1").stdout

    assert none.stdout.endswith("nobody has acted yet\n")
    assert [(each["what"], each["reader"], each["reason"]) for each in lines] == [
        ("discard", BILLING, "a test's \x1b[31m"), ("pause", BILLING, "the ledger moves"),
    ]  # fmt: skip
    assert {each["through"] for each in lines} == {"command"}
    assert all("@" in each["who"] for each in lines)
    assert "discard" in table
    assert "\x1b" not in table  # nothing that a terminal would obey
    assert "pause" not in table


def test_nothing_is_discarded_without_a_reason(shell: Shell, orders: Outbox) -> None:
    refused = shell.run("dead", "shop:orders", "discard", "--all", "--yes", "--reader", BILLING)

    assert refused.returncode == 2
    assert "--reason" in refused.stderr
