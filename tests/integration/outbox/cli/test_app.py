"""The command `outbox`, as its own process, on the outbox of an application."""

from __future__ import annotations

import json
import signal
import subprocess
from typing import Any

import pytest
from pymongo.database import Database

from outbox import Outbox
from tests.actors.order_service import OrderCancelled, placed
from tests.actors.relay_thread import given_cursor
from tests.integration.outbox.cli.shell import Shell
from tests.waiting import wait_until


def lines_of(process: subprocess.Popen[str], count: int) -> list[str]:
    assert process.stdout is not None
    return [process.stdout.readline().rstrip() for _ in range(count)]


def test_create_makes_the_outbox_and_says_what_is_there(shell: Shell, database: Database[Any]) -> None:
    created = shell.run("create", "shop:orders")
    again = shell.run("create", "shop:orders")
    assert created.returncode == again.returncode == 0, created.stderr + again.stderr
    types = "order.placed, order.cancelled, stock.counted, tree.grown"
    assert created.stdout == again.stdout == f"{database.name}.outbox is ready: a log of 64 MiB; {types}\n"
    assert database.outbox.options()["capped"]


def test_create_of_what_cannot_be_changed_safely_ends_with_4(shell: Shell, database: Database[Any]) -> None:
    database.create_collection("outbox")
    refused = shell.run("create", "shop:orders")
    assert refused.returncode == 4
    assert refused.stderr.startswith("outbox: ")
    assert "Traceback" not in refused.stderr


def test_sequence_prints_how_many_messages_it_numbered(shell: Shell, orders: Outbox) -> None:
    orders.put([placed(1), placed(2), placed(3)], standalone=True)
    assert shell.run("sequence", "shop:orders").stdout == "3\n"
    assert [record.seq for record in orders.read()] == [1, 2, 3]


def test_sequence_keep_numbers_what_comes_until_it_is_ended_and_gives_its_lease_back(
    shell: Shell, orders: Outbox
) -> None:
    process = shell.start("sequence", "shop:orders", "--keep")
    for count in (1, 2):
        orders.put(placed(count), standalone=True)
        wait_until(lambda count=count: orders.log.head() == count, 30, "it to be numbered")

    process.send_signal(signal.SIGTERM)

    _, said = process.communicate(timeout=30)
    assert process.returncode == 0, said
    assert "sequencing" in said
    assert orders.status().holder is None


def test_status_as_json_has_every_field(shell: Shell, orders: Outbox) -> None:
    id = orders.put(placed(1), standalone=True)
    orders.sequence()
    [record] = orders.read()
    orders.collections.cursors.insert_one(
        {"_id": "consumer:billing", "seq": 1, "id": id, "created": record.created, "updated": record.created}
    )
    orders.put(placed(2), standalone=True)

    status = json.loads(shell.run("status", "shop:orders", "--json").stdout)

    created = record.created.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    [found] = orders.status().cursors
    assert found.headroom is not None
    cursor = {
        "reader": "consumer:billing",
        "seq": 1,
        "id": str(id),
        "created": created,
        "updated": created,
        "lag": 0,
        "headroom": {"bytes": found.headroom.bytes, "records": found.headroom.records, "seconds": None},
        "paused": False,
    }
    waited = status.pop("staging_seconds")
    assert isinstance(status.pop("unsequenced"), bool)  # a slow machine may take the 10 s until it is so
    assert 0 <= waited < 60
    assert status == {
        "head": 1,
        "oldest": 1,
        "staging": 1,
        "staging_bytes": orders.status().staging_bytes,
        "holder": None,
        "fence": 1,
        "held": None,
        "capacity": orders.status().capacity,
        "size": orders.status().size,
        "dead": 0,
        "parked": 0,
        "cursors": [cursor],
    }


def test_status_shows_people_the_log_and_its_readers(shell: Shell, orders: Outbox) -> None:
    orders.put([placed(1), placed(2)], standalone=True)
    orders.sequence()
    orders.collections.cursors.insert_one(
        {"_id": "relay:kafka", "seq": 0, "id": None, "created": None, "updated": None}
    )
    shown = shell.run("status", "shop:orders").stdout
    assert "seq 1 to 2" in shown
    assert "nobody (fence 1)" in shown
    [reader] = [line for line in shown.splitlines() if "relay:kafka" in line]
    assert reader.split()[:3] == ["relay:kafka", "0", "2"]


def test_tail_prints_what_is_there_and_what_comes_until_ctrl_c(shell: Shell, orders: Outbox) -> None:
    orders.put(placed(1), headers={"tenant": "acme"}, standalone=True)
    orders.sequence()
    tail = shell.start("tail", "shop:orders", "--start", "earliest")
    [first] = lines_of(tail, 1)
    assert first.split()[0] == "1"
    assert first.endswith('order.placed  42  {\'tenant\': \'acme\'}  {"order_id": "42", "total": 1}')
    orders.put(placed(2), standalone=True)
    assert orders.sequence() == 1  # as the command does not
    assert lines_of(tail, 1)[0].split()[0] == "2"
    tail.send_signal(signal.SIGINT)
    assert tail.communicate(timeout=30) == ("", "")
    assert tail.returncode == 0
    assert orders.status().holder is None


def test_tail_as_json_prints_one_object_a_line(shell: Shell, orders: Outbox) -> None:
    id = orders.put(placed(1, note="höher"), headers={"tenant": "acme"}, standalone=True)
    orders.sequence()
    tail = shell.start("tail", "shop:orders", "--start", "1", "--json")
    record = json.loads(lines_of(tail, 1)[0])
    assert list(record) == ["seq", "id", "created", "type", "key", "headers", "data"]
    assert (record["seq"], record["id"], record["type"], record["key"]) == (1, str(id), "order.placed", "42")
    assert (record["headers"], record["data"]["note"]) == ({"tenant": "acme"}, "höher")


def test_tail_without_follow_prints_what_is_there_and_ends(shell: Shell, orders: Outbox) -> None:
    orders.put([placed(1), placed(2)], standalone=True)
    orders.sequence()
    orders.put(placed(3), standalone=True)

    done = shell.run("tail", "shop:orders", "--no-follow", "--json")

    assert done.returncode == 0, done.stderr
    assert [json.loads(line)["seq"] for line in done.stdout.splitlines()] == [1, 2]


def test_tail_shows_only_the_types_and_the_key_asked_for(shell: Shell, orders: Outbox) -> None:
    orders.put(
        [placed(1), OrderCancelled(order_id="42"), OrderCancelled(order_id="43"), placed(2, order_id="43")],
        standalone=True,
    )
    arguments = ("--start", "2000-01-01", "--type", "order.cancelled", "--key", "43", "--json")
    tail = shell.start("tail", "shop:orders", *arguments)
    orders.put([OrderCancelled(order_id="43")], standalone=True)
    orders.sequence()
    assert [json.loads(line)["seq"] for line in lines_of(tail, 2)] == [3, 5]


def test_tail_into_a_reader_that_has_enough_ends_quietly(shell: Shell, orders: Outbox) -> None:
    orders.put(placed(1), standalone=True)
    orders.sequence()
    tail = shell.start("tail", "shop:orders", "--start", "earliest")
    lines_of(tail, 1)
    assert tail.stdout is not None
    assert tail.stderr is not None
    tail.stdout.close()
    orders.put([placed(2), placed(3)], standalone=True)
    orders.sequence()
    wait_until(lambda: tail.poll() is not None, 30, "the command to notice that nobody reads")
    assert (tail.returncode, tail.stderr.read()) == (0, "")
    assert orders.status().holder is None


def test_tail_of_an_unknown_type_ends_with_2_and_the_nearest_name(shell: Shell, orders: Outbox) -> None:
    refused = shell.run("tail", "shop:orders", "--type", "order.place")
    assert refused.returncode == 2
    assert "has no message type 'order.place'; did you mean 'order.placed'?" in refused.stderr


def test_inspect_says_where_a_message_is_by_its_id_and_by_its_seq(shell: Shell, orders: Outbox) -> None:
    id = orders.put(placed(1), standalone=True)
    staged = shell.run("inspect", "shop:orders", str(id))
    orders.sequence()
    by_id, by_seq = shell.run("inspect", "shop:orders", str(id)), shell.run("inspect", "shop:orders", "1")

    assert (staged.returncode, staged.stderr) == (0, "")
    assert staged.stdout.splitlines()[0].split() == ["message", str(id)]
    assert "staging: committed, without a number yet" in staged.stdout
    assert by_id.stdout == by_seq.stdout
    assert [line.split() for line in by_seq.stdout.splitlines()][1:] == [["is", "in", "log"], ["seq", "1"]]


def test_inspect_as_json_names_the_readers(shell: Shell, orders: Outbox) -> None:
    id = orders.put(placed(1), standalone=True)
    orders.sequence()
    given_cursor(orders, 1)

    shown = shell.run("inspect", "shop:orders", str(id), "--json")

    assert json.loads(shown.stdout) == {
        "id": str(id), "place": "log", "seq": 1, "chunk": None, "reader": None, "state": None,
        "passed": ["relay:kafka"], "waiting": [],
    }  # fmt: skip


def test_inspect_of_what_is_nowhere_ends_with_1(shell: Shell, orders: Outbox) -> None:
    shown = shell.run("inspect", "shop:orders", "0" * 24)

    assert (shown.returncode, shown.stderr) == (1, "")
    assert "nowhere: not committed, or rolled over, or never put" in shown.stdout


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("7", "the log does not hold seq 7: it has 1 to 0"),
        (str(2**63), f"the log does not hold seq {2**63}: it has 1 to 0"),
        ("abc", "'abc' is no message id"),
    ],
)
def test_inspect_of_what_is_no_message_ends_with_2(shell: Shell, orders: Outbox, given: str, said: str) -> None:
    shown = shell.run("inspect", "shop:orders", given)

    assert shown.returncode == 2
    assert shown.stderr.startswith(f"outbox: {said}")
