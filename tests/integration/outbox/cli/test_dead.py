"""The commands `outbox dead APP …`, as their own process."""

from __future__ import annotations

import json

import pytest

from outbox import Outbox
from tests.actors.order_service import placed
from tests.actors.running import Handled, put, running
from tests.integration.outbox.cli.shell import Shell
from tests.waiting import wait_until

READER = ("--reader", "consumer:billing")


@pytest.fixture
def orders_with_letters(orders: Outbox) -> Outbox:
    """Two messages of one key that the consumer `billing` has put aside."""
    put(orders, placed(1), placed(2))
    billing = orders.consumer("billing", attempts=1)
    with running(billing, Handled(lambda _: ValueError("no such \x1b[31mcustomer"))):
        wait_until(lambda: billing.position() == 2, 20, "the letters")
    return orders


def test_list_shows_a_consumer_s_letters(shell: Shell, orders_with_letters: Outbox) -> None:
    shown = shell.run("dead", "shop:orders", "list", *READER)

    assert (shown.returncode, shown.stderr) == (0, "")
    assert "consumer 'billing'" in shown.stdout
    assert "\x1b" not in shown.stdout  # nothing that a terminal would obey
    assert [word for word in shown.stdout.split() if word in ("dead", "parked", "ValueError:")] != []


def test_list_as_json_has_a_line_for_each(shell: Shell, orders_with_letters: Outbox) -> None:
    lines = shell.run("dead", "shop:orders", "list", *READER, "--json").stdout.splitlines()

    assert [(each["seq"], each["state"]) for each in map(json.loads, lines)] == [(1, "dead"), (2, "parked")]


def test_show_has_the_whole_letter(shell: Shell, orders_with_letters: Outbox) -> None:
    [first, _] = shell.run("dead", "shop:orders", "list", *READER, "--json").stdout.splitlines()
    id = json.loads(first)["id"]

    shown = shell.run("dead", "shop:orders", "show", id, *READER)

    assert json.loads(shown.stdout)["data"]["total"] == 1


def test_requeued_letters_are_handled_again(shell: Shell, orders_with_letters: Outbox) -> None:
    said = shell.run("dead", "shop:orders", "requeue", "--all", *READER)
    handled = Handled()

    with running(orders_with_letters.consumer("billing"), handled):
        handled.sees(1, 2)

    assert said.stdout.endswith("consumer 'billing': 2 message(s) will be handled again\n")


def test_discarded_letters_are_gone(shell: Shell, orders_with_letters: Outbox) -> None:
    why = ("--reason", "a test's")

    discarded = shell.run("dead", "shop:orders", "discard", "--all", "--yes", *READER, *why)

    assert "2 message(s) discarded" in discarded.stdout

    assert "no dead letters" in shell.run("dead", "shop:orders", "list", *READER).stdout


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("requeue", *READER), "say which letters: an ID, --key, --type, or --all"),
        (("discard", "--all", "--key", "42", "--reason", "a test's", *READER), "say which letters"),
        (("show", "42", *READER), "'42' is no message id"),
        (("list", "--reader", "billing"), "'billing' is no durable reader's id"),
    ],
)
def test_what_cannot_be_is_refused_with_what_to_give(
    shell: Shell, orders: Outbox, arguments: tuple[str, ...], says: str
) -> None:
    refused = shell.run("dead", "shop:orders", *arguments)

    assert refused.returncode == 2
    assert says in refused.stderr


def test_a_letter_that_is_not_there_is_exit_1(shell: Shell, orders: Outbox) -> None:
    missing = shell.run("dead", "shop:orders", "show", "65a000000000000000000001", *READER)

    assert missing.returncode == 1
    assert "no dead letter 65a000000000000000000001 of consumer 'billing'" in missing.stderr
