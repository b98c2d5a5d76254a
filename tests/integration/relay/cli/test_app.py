"""The command `relay`, as its own process."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pymongo.database import Database

from outbox import Outbox
from tests.actors.consumer import header, read_topic
from tests.actors.order_service import new_outbox, placed
from tests.actors.relay_command import RelayCommand
from tests.servers.kafka import KafkaBroker, create_topic
from tests.waiting import wait_until

Document = dict[str, Any]


@pytest.fixture
def orders(database: Database[Document]) -> Iterator[Outbox]:
    with new_outbox(database, sequence=False) as outbox:
        yield outbox


def cursor_seq(orders: Outbox, name: str = "kafka") -> int | None:
    cursor = orders.collections.cursors.find_one({"_id": f"relay:{name}"})
    return None if cursor is None else cursor["seq"]


def test_it_relays_and_on_sigterm_drains_saves_and_exits_0(
    relay: RelayCommand, orders: Outbox, kafka: str, topic: str
) -> None:
    process = relay.start("run")
    ids = [orders.put(placed(total, order_id=str(total % 3)), standalone=True) for total in range(30)]
    found = read_topic(kafka, topic, lambda messages: len(messages) >= 30)

    process.send_signal(signal.SIGTERM)

    assert process.wait(30) == 0
    assert sorted(header(each, "id") for each in found) == sorted(str(id) for id in ids)
    assert cursor_seq(orders) == 30
    lease = orders.collections.leases.find_one({"_id": "relay:kafka"})
    assert lease is not None
    assert lease["owner"] is None


def test_ctrl_c_does_the_same(relay: RelayCommand, orders: Outbox) -> None:
    process = relay.start("run")
    wait_until(lambda: cursor_seq(orders) is not None, 30, "the relay to work")

    process.send_signal(signal.SIGINT)

    assert process.wait(30) == 0


def test_once_drains_and_exits_0(relay: RelayCommand, orders: Outbox) -> None:
    orders.put([placed(total) for total in range(1000)], standalone=True)

    done = relay("run", "--once")

    assert (done.returncode, cursor_seq(orders)) == (0, 1000), done.stderr
    assert "delivered 1000 message(s) in " in done.stderr


def test_status_as_json_has_the_documented_keys(relay: RelayCommand, orders: Outbox) -> None:
    orders.put(placed(1), standalone=True)
    relay("run", "--once")

    status = json.loads(relay("status", "--json").stdout)

    assert list(status) == [
        "database", "outbox", "name", "delivery", "head", "oldest", "cursor", "lag_records", "lag_seconds", "staging",
        "holder", "stopped", "fence", "dead", "parked", "headroom", "held", "shares",
    ]  # fmt: skip
    assert list(status["cursor"]) == ["seq", "id", "created"]
    assert (status["head"], status["cursor"]["seq"], status["lag_records"]) == (1, 1, 0)


def test_status_as_json_says_of_which_outbox_each_line_is(
    relay: RelayCommand, orders: Outbox, database: Database[Document], tmp_path: Path
) -> None:
    with new_outbox(database, name="other", sequence=False):
        file = tmp_path / "relay.toml"
        file.write_text('[[outbox]]\noutbox = "outbox"\n[[outbox]]\noutbox = "other"\nname = "search"')

        shown = relay("status", "--json", "--config", str(file))

    lines = [json.loads(line) for line in shown.stdout.splitlines()]
    assert [(each["database"], each["outbox"], each["name"]) for each in lines] == [
        (database.name, "outbox", "kafka"),
        (database.name, "other", "search"),
    ]
    assert [each["headroom"] for each in lines] == [None, None]


def test_status_shows_the_headroom_and_who_holds_the_sequencer(relay: RelayCommand, orders: Outbox) -> None:
    orders.put([placed(1), placed(2)], standalone=True)
    relay("run", "--once")
    orders.collections.leases.update_one(
        {"_id": "sequencer"},
        [{"$set": {"owner": "other", "holding": {"reader": "relay:search", "seq": 7, "since": "$$NOW"}}}],
    )

    status = json.loads(relay("status", "--json").stdout)
    shown = relay("status").stdout

    assert status["headroom"] == {"bytes": 256 << 20, "records": status["headroom"]["records"], "seconds": None}
    assert (status["held"]["reader"], status["held"]["seconds"] >= 0) == ("relay:search", True)
    assert "256 MiB" in shown
    assert "relay:search, for" in shown


def test_status_is_a_table_for_people(relay: RelayCommand, orders: Outbox) -> None:
    relay("run", "--once")

    shown = relay("status")

    assert shown.returncode == 0
    for word in ("delivery", "at-least-once", "head", "cursor", "lag_records", "holder"):
        assert word in shown.stdout


def test_health_is_0_while_it_works_and_1_when_it_does_not(relay: RelayCommand, orders: Outbox) -> None:
    before = relay("health")
    process = relay.start("run")
    wait_until(lambda: cursor_seq(orders) is not None, 30, "the relay to work")
    during = relay("health")
    process.terminate()
    process.wait(30)
    after = relay("health")

    assert (before.returncode, during.returncode, after.returncode) == (1, 0, 1)
    assert "has ever worked" in before.stderr
    assert "at work" in during.stdout


def test_the_cursor_is_shown_and_moved(relay: RelayCommand, orders: Outbox) -> None:
    orders.put([placed(total) for total in range(5)], standalone=True)
    relay("run", "--once")

    moved = relay("cursor", "set", "2")
    shown = json.loads(relay("cursor", "show", "--json").stdout)

    assert moved.returncode == 0, moved.stderr
    assert moved.stdout.endswith("was seq 5, now 2; seq 3 comes next\n")
    assert shown["seq"] == 2
    assert "seq 2" in relay("cursor", "show").stdout


def test_several_outboxes_of_a_file_run_in_one_process(
    relay: RelayCommand, orders: Outbox, database: Database[Document], kafka: str, topic: str, tmp_path: Path
) -> None:
    other_topic = f"{topic}.other"
    create_topic(kafka, other_topic)
    with new_outbox(database, name="other", sequence=False) as other:
        orders.put(placed(1), standalone=True)
        other.put(placed(2), standalone=True)
        other.put(placed(3), standalone=True)
    file = tmp_path / "relay.toml"
    file.write_text(
        f'[[outbox]]\noutbox = "outbox"\ntopic = "{topic}"\n[[outbox]]\noutbox = "other"\ntopic = "{other_topic}"'
    )

    done = relay.without("topic")("run", "--once", "--config", str(file))

    assert done.returncode == 0, done.stderr
    assert len(read_topic(kafka, topic, lambda found: len(found) >= 1)) == 1
    assert len(read_topic(kafka, other_topic, lambda found: len(found) >= 2)) == 2


def test_when_one_of_several_must_stop_the_other_is_relayed_and_the_code_counts_at_the_end(
    relay: RelayCommand, orders: Outbox, tmp_path: Path
) -> None:
    file = tmp_path / "relay.toml"
    file.write_text('[[outbox]]\noutbox = "outbox"\n[[outbox]]\noutbox = "missing"')

    orders.put(placed(1), standalone=True)

    done = relay("run", "--once", "--config", str(file))

    assert (done.returncode, cursor_seq(orders)) == (4, 1)
    assert "missing.staging" in done.stderr


def _asked_for(database: Database[Document], seq: int) -> bool:
    """Whether somebody has read the log from there on, as the server's profiler has it."""
    finds = database["system.profile"].find({"command.find": "outbox"})
    return any(each["command"]["filter"] == {"_id": {"$gte": seq}} for each in finds)


def test_a_second_ctrl_c_does_not_wait_for_the_draining(
    relay: RelayCommand, orders: Outbox, topic: str, broker: KafkaBroker, database: Database[Document]
) -> None:
    create_topic(broker.bootstrap, topic)
    process = relay.start("run", "--kafka", broker.bootstrap)
    wait_until(lambda: cursor_seq(orders) is not None, 30, "the relay to work")
    broker.pause()
    database.command("profile", 2)
    orders.put(placed(1), standalone=True)
    wait_until(lambda: _asked_for(database, 2), 30, "the relay to have sent seq 1, and to ask for what comes next")
    database.command("profile", 0)
    process.send_signal(signal.SIGINT)
    wait_until(lambda: "waiting up to 10 s for 1 record" in relay.log, 30, "the draining")

    process.send_signal(signal.SIGINT)

    assert process.wait(60) == 130
