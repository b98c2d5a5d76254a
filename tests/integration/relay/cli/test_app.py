"""The command `relay`, as its own process."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

from pymongo.database import Database

from outbox import Outbox
from tests.actors.consumer import header, read_topic
from tests.actors.order_service import new_outbox, placed
from tests.actors.relay_command import RelayCommand
from tests.actors.relay_thread import saved_seq
from tests.servers.kafka import KafkaBroker, create_topic
from tests.waiting import wait_until

Document = dict[str, Any]


def test_it_relays_and_on_sigterm_drains_saves_and_exits_0(
    relay: RelayCommand, orders: Outbox, kafka: str, topic: str
) -> None:
    process = relay.start("run")
    ids = [orders.put(placed(total, order_id=str(total % 3)), standalone=True) for total in range(30)]
    found = read_topic(kafka, topic, lambda messages: len(messages) >= 30)

    process.send_signal(signal.SIGTERM)

    assert process.wait(30) == 0
    assert sorted(header(each, "id") for each in found) == sorted(str(id) for id in ids)
    assert saved_seq(orders) == 30
    lease = orders.collections.leases.find_one({"_id": "relay:kafka"})
    assert lease is not None
    assert lease["owner"] is None


def test_ctrl_c_does_the_same(relay: RelayCommand, orders: Outbox) -> None:
    process = relay.start("run")
    wait_until(lambda: saved_seq(orders) is not None, 30, "the relay to work")

    process.send_signal(signal.SIGINT)

    assert process.wait(30) == 0


def test_once_drains_and_exits_0(relay: RelayCommand, orders: Outbox) -> None:
    orders.put([placed(total) for total in range(1000)], standalone=True)

    done = relay("run", "--once")

    assert (done.returncode, saved_seq(orders)) == (0, 1000), done.stderr
    assert "delivered 1000 message(s) in " in done.stderr


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

    assert (done.returncode, saved_seq(orders)) == (4, 1)
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
    wait_until(lambda: saved_seq(orders) is not None, 30, "the relay to work")
    broker.pause()
    database.command("profile", 2)
    orders.put(placed(1), standalone=True)
    wait_until(lambda: _asked_for(database, 2), 30, "the relay to have sent seq 1, and to ask for what comes next")
    database.command("profile", 0)
    process.send_signal(signal.SIGINT)
    wait_until(lambda: "waiting up to 10 s for 1 record" in relay.log, 30, "the draining")

    process.send_signal(signal.SIGINT)

    assert process.wait(60) == 130
