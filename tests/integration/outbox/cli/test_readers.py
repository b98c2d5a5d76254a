"""The commands `outbox readers APP …`, as their own process."""

from __future__ import annotations

import json

import pytest

from outbox import Outbox
from outbox.clock import SystemClock
from outbox.shares.cursor_admin import move
from relay import Relay
from relay.testing import MemorySink
from tests.actors.relay_thread import Relaying, given_cursor, numbered, run_once, saved_seq
from tests.integration.outbox.cli.shell import Shell
from tests.waiting import wait_until


def test_list_shows_people_every_reader(shell: Shell, orders: Outbox) -> None:
    numbered(orders, 3)
    for reader in ("relay:kafka", "consumer:billing"):
        move(orders.collections, reader, 1, SystemClock())

    shown = shell.run("readers", "shop:orders", "list")

    assert (shown.returncode, shown.stderr) == (0, "")
    assert [line.split() for line in shown.stdout.splitlines()] == [
        ["reader", "seq", "behind", "shares", "dead", "parked", "paused", "holder"],
        ["consumer:billing", "1", "2", "1", "0", "0", "no", "nobody"],
        ["relay:kafka", "1", "2", "1", "0", "0", "no", "nobody"],
    ]


def test_list_of_no_reader_says_so(shell: Shell, orders: Outbox) -> None:
    assert shell.run("readers", "shop:orders", "list").stdout == "no durable reader, such as a relay, has started yet\n"


def test_list_as_json_has_a_line_for_each_reader_and_every_field(shell: Shell, orders: Outbox) -> None:
    numbered(orders, 3)
    move(orders.collections, "consumer:billing", 1, SystemClock())

    shown = json.loads(shell.run("readers", "shop:orders", "list", "--json").stdout)

    assert shown == {
        "id": "consumer:billing", "kind": "consumer", "position": 1, "head": 3, "lag": 2, "shares": 1, "holder": None,
        "paused": False, "dead_letters": 0, "parked": 0, "fault": None,
        "of_shares": [{"share": 1, "position": 1, "lag": 2, "holder": None}],
    }  # fmt: skip


def test_show_has_each_share(shell: Shell, orders: Outbox) -> None:
    numbered(orders, 3)
    run_once(Relay(orders, MemorySink(), shares=2))

    shown = shell.run("readers", "shop:orders", "show", "relay:kafka").stdout

    assert [line.strip() for line in shown.splitlines() if line.startswith("share ")] == [
        "share 1       seq 3, 0 behind, nobody",
        "share 2       seq 3, 0 behind, nobody",
    ]


def test_show_as_json_is_what_list_has_of_it(shell: Shell, orders: Outbox) -> None:
    given_cursor(orders, 0)

    shown = shell.run("readers", "shop:orders", "show", "relay:kafka", "--json").stdout

    assert shown == shell.run("readers", "shop:orders", "list", "--json").stdout


@pytest.mark.parametrize(
    ("name", "code", "said"),
    [
        ("relay:old", 1, "has no durable reader 'relay:old' that has begun; it has relay:kafka\n"),
        ("kafka", 2, "outbox: 'kafka' is no durable reader's id: give its kind"),
    ],
)
def test_what_is_no_reader_of_it_is_refused(shell: Shell, orders: Outbox, name: str, code: int, said: str) -> None:
    given_cursor(orders, 0)

    shown = shell.run("readers", "shop:orders", "show", name)

    assert (shown.returncode, shown.stdout) == (code, "")
    assert said in shown.stderr


@pytest.mark.parametrize(
    ("to", "position"), [("2", 2), ("earliest", 0), ("latest", 4), ("2020-01-01T00:00Z", 0), ("2220-01-01", 4)]
)
def test_reset_moves_the_position_and_says_what_comes_next(
    shell: Shell, orders: Outbox, to: str, position: int
) -> None:
    numbered(orders, 4)
    move(orders.collections, "consumer:billing", 1, SystemClock())

    done = shell.run("readers", "shop:orders", "reset", "consumer:billing", "--to", to)

    name = f"{orders.collections.log.full_name}, consumer 'billing'"
    said = f"{name}: was seq 1, now {position}; seq {position + 1} comes next\n"
    assert (done.returncode, done.stdout, done.stderr) == (0, said, "")
    assert orders.readers()[0].position == position


def test_reset_makes_the_cursor_of_a_reader_that_has_none(shell: Shell, orders: Outbox) -> None:
    numbered(orders, 4)

    done = shell.run("readers", "shop:orders", "reset", "relay:kafka", "--to", "earliest")

    assert "relay 'kafka': had no cursor, now 0; seq 1 comes next" in done.stdout


def test_reset_of_every_share_is_one_command(shell: Shell, orders: Outbox) -> None:
    numbered(orders, 4)
    run_once(Relay(orders, MemorySink(), shares=2))

    assert shell.run("readers", "shop:orders", "reset", "relay:kafka", "--to", "1").returncode == 0

    assert [share.position for share in orders.readers()[0].of_shares] == [1, 1]


@pytest.mark.parametrize(
    ("name", "to", "said"),
    [
        (
            "relay:kafka",
            "newest",
            "--to 'newest' is none of: a seq, a date such as 2025-01-31T12:00Z, earliest",
        ),
        ("relay:kafka", "9", "seq 9 is not in the log"),
        ("relay:kafka/1", "2", "'relay:kafka/1' is no durable reader's id"),
        ("kafka", "2", "'kafka' is no durable reader's id"),
    ],
)
def test_reset_refuses_what_is_no_position_or_no_reader(
    shell: Shell, orders: Outbox, name: str, to: str, said: str
) -> None:
    numbered(orders, 4)
    given_cursor(orders, 1)

    refused = shell.run("readers", "shop:orders", "reset", name, "--to", to)

    assert (refused.returncode, refused.stdout) == (2, "")
    assert said in refused.stderr
    assert [(each.id, each.position) for each in orders.readers()] == [("relay:kafka", 1)]


@pytest.mark.parametrize("command", [["reset", "relay:kafka", "--to", "1"], ["forget", "relay:kafka"]], ids=" ".join)
def test_a_reader_at_work_is_neither_moved_nor_forgotten(shell: Shell, orders: Outbox, command: list[str]) -> None:
    numbered(orders, 4)
    with Relaying(Relay(orders, MemorySink())):
        wait_until(lambda: saved_seq(orders) == 4, 20, "all to be delivered")

        refused = shell.run("readers", "shop:orders", *command)

    assert refused.returncode == 4
    assert refused.stderr.startswith("outbox: relay 'kafka' is running (")
    assert refused.stderr.endswith("): stop it first\n")
    assert orders.readers()[0].position == 4


def test_forget_removes_a_reader_so_that_it_is_known_no_more(shell: Shell, orders: Outbox) -> None:
    move(orders.collections, "consumer:billing", 0, SystemClock())

    done = shell.run("readers", "shop:orders", "forget", "consumer:billing")
    again = shell.run("readers", "shop:orders", "forget", "consumer:billing")

    name = orders.collections.log.full_name
    assert (done.returncode, done.stdout) == (0, f"{name}: the cursor of consumer 'billing' is forgotten\n")
    assert (again.returncode, again.stdout) == (1, "")
    assert "no durable reader 'consumer:billing' that has begun; it has none yet" in again.stderr


def test_a_reader_is_paused_and_resumed_which_every_status_shows(shell: Shell, orders: Outbox) -> None:
    move(orders.collections, "consumer:billing", 0, SystemClock())
    name = f"{orders.collections.log.full_name}, consumer 'billing'"

    paused = shell.run("readers", "shop:orders", "pause", "consumer:billing")
    listed = json.loads(shell.run("readers", "shop:orders", "list", "--json").stdout)
    status = shell.run("status", "shop:orders").stdout
    resumed = shell.run("readers", "shop:orders", "resume", "consumer:billing")

    said = f"{name}: paused; it holds the log all the same, until it is resumed\n"
    assert (paused.returncode, paused.stdout) == (0, said)
    assert listed["paused"] is True
    assert "\n(paused) " in status  # below its name, in a terminal as narrow as this
    assert (resumed.returncode, resumed.stdout) == (0, f"{name}: not paused\n")
    assert not orders.readers()[0].paused


@pytest.mark.parametrize("command", ["pause", "resume"])
def test_a_reader_that_has_not_begun_is_not_paused(shell: Shell, orders: Outbox, command: str) -> None:
    refused = shell.run("readers", "shop:orders", command, "relay:kafka")

    assert (refused.returncode, refused.stdout) == (1, "")
    assert "no durable reader 'relay:kafka' that has begun; it has none yet" in refused.stderr
    assert orders.readers() == []


def test_the_number_of_shares_is_shown_and_changed_for_any_reader(shell: Shell, orders: Outbox) -> None:
    move(orders.collections, "consumer:billing", 0, SystemClock())
    shares = ("readers", "shop:orders", "shares", "consumer:billing")

    said = [shell.run(*shares, *number).stdout.rpartition(": ")[2] for number in ([], ["4"], [], ["1"], [])]

    assert said == ["1 share(s)\n", "1 share(s), to be 4\n", "1 share(s), to be 4\n", "1 share(s)\n", "1 share(s)\n"]


@pytest.mark.parametrize("number", [[], ["4"]])
def test_the_shares_of_what_is_no_reader_of_it_are_refused(shell: Shell, orders: Outbox, number: list[str]) -> None:
    given_cursor(orders, 0)

    refused = shell.run("readers", "shop:orders", "shares", "consumer:old", *number)

    assert (refused.returncode, "no durable reader 'consumer:old' that has begun" in refused.stderr) == (1, True)


def test_a_number_of_shares_that_cannot_be_is_refused(shell: Shell, orders: Outbox) -> None:
    given_cursor(orders, 0)

    assert shell.run("readers", "shop:orders", "shares", "relay:kafka", "257").returncode == 2
