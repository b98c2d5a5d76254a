"""How the command `relay` ends, and what it then says."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.database import Database

from outbox import Outbox
from outbox.log.batch import GENESIS
from tests.actors.consumer import create_small_topic, header, read_topic
from tests.actors.order_service import new_outbox, placed
from tests.actors.relay_command import RelayCommand
from tests.actors.relay_thread import saved_seq
from tests.waiting import wait_until

Document = dict[str, Any]


def test_a_missing_setting_is_usage(relay: RelayCommand) -> None:
    done = relay.without("mongo")("run")

    assert (done.returncode, done.stderr) == (
        2, "relay: --mongo is missing; or give RELAY_MONGO, or `mongo` in the file\n",
    )  # fmt: skip


@pytest.mark.parametrize("value", ["", " "])
def test_an_empty_kafka_is_usage_before_any_server_is_asked(relay: RelayCommand, value: str) -> None:
    done = relay("run", "--kafka", value, "--mongo", "mongodb://127.0.0.1:1")

    assert done.returncode == 2
    assert done.stderr.startswith("relay: --kafka is empty")


def test_an_unknown_flag_is_usage(relay: RelayCommand) -> None:
    assert relay("run", "--fast").returncode == 2


def test_a_locked_setting_is_usage_and_is_named(relay: RelayCommand, orders: Outbox) -> None:
    done = relay("run", "--set", "acks=1")

    assert done.returncode == 2
    assert "'acks' is locked" in done.stderr


def test_an_unknown_kafka_setting_is_usage(relay: RelayCommand, orders: Outbox) -> None:
    assert relay("run", "--set", "no.such=1").returncode == 2


@pytest.mark.parametrize("name", ["RELAY_MONGO", "RELAY_KAFKA"])
def test_a_server_that_does_not_answer_at_the_start_is_3(relay: RelayCommand, orders: Outbox, name: str) -> None:
    address = {"RELAY_MONGO": "mongodb://user:hunter2@127.0.0.1:1", "RELAY_KAFKA": "127.0.0.1:1"}[name]

    done = relay("run", **{name: address})

    assert done.returncode == 3
    assert "did not answer" in done.stderr
    assert "hunter2" not in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_a_wrong_password_is_usage_and_says_who_refused_it(relay: RelayCommand, mongo_uri: str) -> None:
    done = relay("status", "--mongo", mongo_uri.replace("://", "://nobody:hunter2@"))

    assert (done.returncode, done.stderr) == (
        2, "relay: MongoDB refused the user or password of --mongo: Authentication failed.\n",
    )  # fmt: skip


@pytest.mark.parametrize("command", ["run", "status", "health"])
def test_a_standalone_server_is_4_and_called_what_it_is(
    relay: RelayCommand, standalone: MongoClient[Document], command: str
) -> None:
    assert standalone.address is not None
    done = relay(command, "--mongo", "mongodb://{}:{}/?directConnection=true".format(*standalone.address))

    assert done.returncode == 4
    assert done.stderr.startswith("relay: this server is a standalone")


def test_a_name_that_no_database_can_have_is_usage(relay: RelayCommand) -> None:
    done = relay("status", "--database", "a b")

    assert done.returncode == 2
    assert "'a b'" in done.stderr


def test_a_missing_topic_is_4_unless_it_may_be_created(relay: RelayCommand, orders: Outbox, topic: str) -> None:
    orders.put(placed(1), standalone=True)
    missing = f"{topic}.{{type}}"

    refused = relay("run", "--once", "--topic", missing)
    created = relay("run", "--once", "--topic", missing, "--create-topic", "partitions=2,replication=1")

    assert refused.returncode == 4
    assert f"{topic}.order.placed" in refused.stderr
    assert (created.returncode, saved_seq(orders)) == (0, 1), created.stderr


def test_an_outbox_that_was_not_created_is_4(relay: RelayCommand) -> None:
    done = relay("run")

    assert done.returncode == 4
    assert "create()" in done.stderr


def test_a_record_that_the_broker_refuses_is_4_and_all_before_it_is_delivered(
    relay: RelayCommand, orders: Outbox, database: Database[Document], kafka: str, topic: str
) -> None:
    small = f"{topic}.small"
    create_small_topic(kafka, small, 10_000)
    ids = orders.put([placed(total, note="x" * (20_000 if total == 3 else 10)) for total in range(6)], standalone=True)

    done = relay("run", "--once", "--topic", small)

    assert done.returncode == 4
    skip = f"relay cursor set 4 --database {database.name} --outbox outbox --name kafka"
    for part in ("seq 4", str(ids[3]), "max.message.bytes", "Remove the cause", skip):
        assert part in done.stderr
    assert saved_seq(orders) == 3
    found = read_topic(kafka, small, lambda messages: len(messages) >= 3)
    assert [header(each, "seq") for each in found] == ["1", "2", "3"]


def test_a_beginning_that_was_rolled_over_is_4_and_says_what_to_do(
    relay: RelayCommand, database: Database[Document]
) -> None:
    with new_outbox(database, capacity="8 MiB", max_message_bytes=200_000) as outbox:
        while outbox.log.oldest() == 1:
            outbox.put([placed(total, note="x" * 100_000) for total in range(20)], standalone=True)
            outbox.sequence()

    done = relay("run", "--once")

    assert done.returncode == 4
    assert "no longer holds seq 1" in done.stderr
    assert "--start oldest" in done.stderr


def test_a_cursor_of_another_log_is_4_and_says_what_to_do(relay: RelayCommand, orders: Outbox) -> None:
    orders.put([placed(total) for total in range(3)], standalone=True)
    relay("run", "--once")
    orders.collections.cursors.update_one({"_id": "relay:kafka"}, {"$set": {"seq": 2}})

    done = relay("run", "--once")

    assert done.returncode == 4
    assert "belongs to another log" in done.stderr
    name = orders.collections.database.name
    command = f"relay cursor set 3 --database {name} --outbox outbox --name kafka"
    assert f"\n  {command}\n" in done.stderr
    assert relay(*command.split()[1:]).returncode == 0
    assert relay("run", "--once").returncode == 0


def test_a_log_made_anew_under_a_running_relay_is_4_and_says_what_to_do(relay: RelayCommand, orders: Outbox) -> None:
    orders.put(placed(1), standalone=True)
    process = relay.start("run")
    wait_until(lambda: saved_seq(orders) == 1, 20, "the relay to work")

    anew = orders.collections.database.create_collection("anew", **orders.collections.log.options())
    anew.insert_one(dict(GENESIS), bypass_document_validation=True)
    anew.rename("outbox", dropTarget=True)

    assert process.wait(30) == 4
    name = orders.collections.database.name
    assert "relay: the log was dropped, and perhaps made anew" in relay.log
    assert f"\n  relay cursor set 0 --database {name} --outbox outbox --name kafka\n" in relay.log
    assert "Traceback" not in relay.log


def test_moving_the_cursor_under_a_working_relay_is_4(relay: RelayCommand, orders: Outbox) -> None:
    relay.start("run")
    wait_until(lambda: saved_seq(orders) is not None, 30, "the relay to work")

    assert relay("cursor", "set", "0").returncode == 4


def test_a_missing_extra_is_usage_and_says_what_to_install() -> None:
    block = "import sys; sys.modules['typer'] = None; from relay.cli import main; main()"

    done = subprocess.run([sys.executable, "-c", block], capture_output=True, text=True, timeout=60, check=False)

    assert done.returncode == 2
    assert "pip install '.[relay]', in its clone" in done.stderr
