"""The command `relay`, as its own process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.database import Database

from outbox import Outbox
from outbox.batch import GENESIS
from tests.consuming import create_small_topic, header, read_topic
from tests.orders import new_outbox, placed
from tests.servers.kafka import KafkaBroker, create_topic
from tests.waiting import wait_until

RELAY = [sys.executable, "-c", "from relay.cli import main; main()"]
Document = dict[str, Any]


@pytest.fixture
def orders(database: Database[Document]) -> Iterator[Outbox]:
    with new_outbox(database, sequence=False) as outbox:
        yield outbox


class Commands:
    """Runs `relay` with the settings of one outbox and one topic in its environment."""

    def __init__(self, environment: dict[str, str], folder: Path) -> None:
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("RELAY_")},
            **environment,
        }
        self._log = folder / "relay.log"
        self.running: list[subprocess.Popen[bytes]] = []

    def __call__(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*RELAY, *arguments],
            env={**self._environment, **environment},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        with self._log.open("ab") as output:
            process = subprocess.Popen([*RELAY, *arguments], env=self._environment, stdout=output, stderr=output)
        self.running.append(process)
        return process

    @property
    def log(self) -> str:
        return self._log.read_text()


@pytest.fixture
def relay(mongo_uri: str, kafka: str, topic: str, database: Database[Document], tmp_path: Path) -> Iterator[Commands]:
    settings = {"MONGO": mongo_uri, "DATABASE": database.name, "KAFKA": kafka, "TOPIC": topic}
    commands = Commands({f"RELAY_{name}": value for name, value in settings.items()}, tmp_path)
    yield commands
    for process in commands.running:
        process.kill()
        process.wait()


def cursor_seq(orders: Outbox, name: str = "kafka") -> int | None:
    cursor = orders.collections.cursors.find_one({"_id": f"relay:{name}"})
    return None if cursor is None else cursor["seq"]


def test_it_relays_and_on_sigterm_drains_saves_and_exits_0(
    relay: Commands, orders: Outbox, kafka: str, topic: str
) -> None:
    process = relay.start("run")
    ids = [orders.put(placed(total, order_id=str(total % 3))) for total in range(30)]
    found = read_topic(kafka, topic, lambda messages: len(messages) >= 30)

    process.send_signal(signal.SIGTERM)

    assert process.wait(20) == 0
    assert sorted(header(each, "id") for each in found) == sorted(str(id) for id in ids)
    assert cursor_seq(orders) == 30
    lease = orders.collections.leases.find_one({"_id": "relay:kafka"})
    assert lease is not None
    assert lease["owner"] is None


def test_ctrl_c_does_the_same(relay: Commands, orders: Outbox) -> None:
    process = relay.start("run")
    wait_until(lambda: cursor_seq(orders) is not None, 20, "the relay to work")

    process.send_signal(signal.SIGINT)

    assert process.wait(20) == 0


def test_once_drains_and_exits_0(relay: Commands, orders: Outbox) -> None:
    orders.put([placed(total) for total in range(1000)])

    done = relay("run", "--once")

    assert (done.returncode, cursor_seq(orders)) == (0, 1000), done.stderr
    assert "delivered 1000 message(s) in " in done.stderr


def test_status_as_json_has_the_documented_keys(relay: Commands, orders: Outbox) -> None:
    orders.put(placed(1))
    relay("run", "--once")

    status = json.loads(relay("status", "--json").stdout)

    assert list(status) == [
        "database", "outbox", "name", "head", "oldest", "cursor", "lag_records", "lag_seconds", "staging", "holder",
        "fence", "dead", "parked", "headroom", "held"
    ]  # fmt: skip
    assert list(status["cursor"]) == ["seq", "id", "created"]
    assert (status["head"], status["cursor"]["seq"], status["lag_records"]) == (1, 1, 0)


def test_status_as_json_says_of_which_outbox_each_line_is(
    relay: Commands, orders: Outbox, database: Database[Document], tmp_path: Path
) -> None:
    with new_outbox_called(database, "other"):
        file = tmp_path / "relay.toml"
        file.write_text('[[outbox]]\noutbox = "outbox"\n[[outbox]]\noutbox = "other"\nname = "search"')

        shown = relay("status", "--json", "--config", str(file))

    lines = [json.loads(line) for line in shown.stdout.splitlines()]
    assert [(each["database"], each["outbox"], each["name"]) for each in lines] == [
        (database.name, "outbox", "kafka"),
        (database.name, "other", "search"),
    ]
    assert [each["headroom"] for each in lines] == [None, None]


def test_status_shows_the_headroom_and_who_holds_the_sequencer(relay: Commands, orders: Outbox) -> None:
    orders.put([placed(1), placed(2)])
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


def test_status_is_a_table_for_people(relay: Commands, orders: Outbox) -> None:
    relay("run", "--once")

    shown = relay("status")

    assert shown.returncode == 0
    for word in ("head", "cursor", "lag_records", "holder"):
        assert word in shown.stdout


def test_health_is_0_while_it_works_and_1_when_it_does_not(relay: Commands, orders: Outbox) -> None:
    before = relay("health")
    process = relay.start("run")
    wait_until(lambda: cursor_seq(orders) is not None, 20, "the relay to work")
    during = relay("health")
    process.terminate()
    process.wait(20)
    after = relay("health")

    assert (before.returncode, during.returncode, after.returncode) == (1, 0, 1)
    assert "has ever worked" in before.stderr
    assert "at work" in during.stdout


def test_the_cursor_is_shown_and_moved(relay: Commands, orders: Outbox) -> None:
    orders.put([placed(total) for total in range(5)])
    relay("run", "--once")

    moved = relay("cursor", "set", "2")
    shown = json.loads(relay("cursor", "show", "--json").stdout)

    assert moved.returncode == 0, moved.stderr
    assert moved.stdout.endswith("was seq 5, now 2; seq 3 comes next\n")
    assert shown["seq"] == 2
    assert "seq 2" in relay("cursor", "show").stdout


def test_several_outboxes_of_a_file_run_in_one_process(
    relay: Commands, orders: Outbox, database: Database[Document], kafka: str, topic: str, tmp_path: Path
) -> None:
    other_topic = f"{topic}.other"
    create_topic(kafka, other_topic)
    with new_outbox_called(database, "other") as other:
        orders.put(placed(1))
        other.put(placed(2))
        other.put(placed(3))
    file = tmp_path / "relay.toml"
    file.write_text(
        f'[[outbox]]\noutbox = "outbox"\ntopic = "{topic}"\n[[outbox]]\noutbox = "other"\ntopic = "{other_topic}"'
    )

    done = relay("run", "--once", "--config", str(file), **without("RELAY_TOPIC", relay))

    assert done.returncode == 0, done.stderr
    assert len(read_topic(kafka, topic, lambda found: len(found) >= 1)) == 1
    assert len(read_topic(kafka, other_topic, lambda found: len(found) >= 2)) == 2


def test_when_one_of_several_must_stop_all_do_and_its_code_counts(
    relay: Commands, orders: Outbox, tmp_path: Path
) -> None:
    file = tmp_path / "relay.toml"
    file.write_text('[[outbox]]\noutbox = "outbox"\n[[outbox]]\noutbox = "missing"')

    done = relay("run", "--config", str(file))

    assert done.returncode == 4
    assert "missing.staging" in done.stderr


def new_outbox_called(database: Database[Document], name: str) -> Outbox:
    return new_outbox(database, name=name, sequence=False)


def without(name: str, relay: Commands) -> dict[str, str]:
    """A setting of the fixture's taken out of the environment."""
    del relay._environment[name]
    return {}


def test_a_second_ctrl_c_does_not_wait_for_the_draining(
    relay: Commands, orders: Outbox, topic: str, broker: KafkaBroker
) -> None:
    create_topic(broker.bootstrap, topic)
    process = relay.start("run", "--kafka", broker.bootstrap)
    wait_until(lambda: cursor_seq(orders) is not None, 20, "the relay to work")
    broker.pause()
    orders.put(placed(1))
    wait_until(lambda: orders.log.head() == 1, 20, "the message in the log")
    process.send_signal(signal.SIGINT)
    wait_until(lambda: "waiting up to 10 s for 1 record" in relay.log, 20, "the draining")

    process.send_signal(signal.SIGINT)

    assert process.wait(5) == 130


# ---- exit codes


def test_a_missing_setting_is_usage(relay: Commands) -> None:
    done = relay("run", **without("RELAY_MONGO", relay))

    assert (done.returncode, done.stderr) == (
        2, "relay: --mongo is missing; or give RELAY_MONGO, or `mongo` in the file\n",
    )  # fmt: skip


@pytest.mark.parametrize("value", ["", " "])
def test_an_empty_kafka_is_usage_before_any_server_is_asked(relay: Commands, value: str) -> None:
    done = relay("run", "--kafka", value, "--mongo", "mongodb://127.0.0.1:1")

    assert done.returncode == 2
    assert done.stderr.startswith("relay: --kafka is empty")


def test_an_unknown_flag_is_usage(relay: Commands) -> None:
    assert relay("run", "--fast").returncode == 2


def test_a_locked_setting_is_usage_and_is_named(relay: Commands, orders: Outbox) -> None:
    done = relay("run", "--set", "acks=1")

    assert done.returncode == 2
    assert "'acks' is locked" in done.stderr


def test_an_unknown_kafka_setting_is_usage(relay: Commands, orders: Outbox) -> None:
    assert relay("run", "--set", "no.such=1").returncode == 2


@pytest.mark.parametrize("name", ["RELAY_MONGO", "RELAY_KAFKA"])
def test_a_server_that_does_not_answer_at_the_start_is_3(relay: Commands, orders: Outbox, name: str) -> None:
    address = {"RELAY_MONGO": "mongodb://user:hunter2@127.0.0.1:1", "RELAY_KAFKA": "127.0.0.1:1"}[name]

    done = relay("run", **{name: address})

    assert done.returncode == 3
    assert "did not answer" in done.stderr
    assert "hunter2" not in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_a_wrong_password_is_usage_and_says_who_refused_it(relay: Commands, mongo_uri: str) -> None:
    done = relay("status", "--mongo", mongo_uri.replace("://", "://nobody:hunter2@"))

    assert (done.returncode, done.stderr) == (
        2, "relay: MongoDB refused the user or password of --mongo: Authentication failed.\n",
    )  # fmt: skip


@pytest.mark.parametrize("command", ["run", "status", "health"])
def test_a_standalone_server_is_4_and_called_what_it_is(
    relay: Commands, standalone: MongoClient[Document], command: str
) -> None:
    assert standalone.address is not None
    done = relay(command, "--mongo", "mongodb://{}:{}/?directConnection=true".format(*standalone.address))

    assert done.returncode == 4
    assert done.stderr.startswith("relay: this server is a standalone")


def test_a_name_that_no_database_can_have_is_usage(relay: Commands) -> None:
    done = relay("status", "--database", "a b")

    assert done.returncode == 2
    assert "'a b'" in done.stderr


def test_a_missing_topic_is_4_unless_it_may_be_created(relay: Commands, orders: Outbox, topic: str) -> None:
    orders.put(placed(1))
    missing = f"{topic}.{{type}}"

    refused = relay("run", "--once", "--topic", missing)
    created = relay("run", "--once", "--topic", missing, "--create-topic", "partitions=2,replication=1")

    assert refused.returncode == 4
    assert f"{topic}.order.placed" in refused.stderr
    assert (created.returncode, cursor_seq(orders)) == (0, 1), created.stderr


def test_an_outbox_that_was_not_created_is_4(relay: Commands) -> None:
    done = relay("run")

    assert done.returncode == 4
    assert "create()" in done.stderr


def test_a_record_that_the_broker_refuses_is_4_and_all_before_it_is_delivered(
    relay: Commands, orders: Outbox, database: Database[Document], kafka: str, topic: str
) -> None:
    small = f"{topic}.small"
    create_small_topic(kafka, small, 10_000)
    ids = orders.put([placed(total, note="x" * (20_000 if total == 3 else 10)) for total in range(6)])

    done = relay("run", "--once", "--topic", small)

    assert done.returncode == 4
    skip = f"relay cursor set 4 --database {database.name} --outbox outbox --name kafka"
    for part in ("seq 4", str(ids[3]), "max.message.bytes", "Remove the cause", skip):
        assert part in done.stderr
    assert cursor_seq(orders) == 3
    found = read_topic(kafka, small, lambda messages: len(messages) >= 3)
    assert [header(each, "seq") for each in found] == ["1", "2", "3"]


def test_a_beginning_that_was_rolled_over_is_4_and_says_what_to_do(
    relay: Commands, database: Database[Document]
) -> None:
    with new_outbox(database, capacity="8 MiB", max_message_bytes=200_000) as outbox:
        while outbox.log.oldest() == 1:
            outbox.put([placed(total, note="x" * 100_000) for total in range(20)])
            outbox.sequence()

    done = relay("run", "--once")

    assert done.returncode == 4
    assert "no longer holds seq 1" in done.stderr
    assert "--start oldest" in done.stderr


def test_a_cursor_of_another_log_is_4_and_says_what_to_do(relay: Commands, orders: Outbox) -> None:
    orders.put([placed(total) for total in range(3)])
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


def test_a_log_made_anew_under_a_running_relay_is_4_and_says_what_to_do(relay: Commands, orders: Outbox) -> None:
    orders.put(placed(1))
    process = relay.start("run")
    wait_until(lambda: cursor_seq(orders) == 1, 20, "the relay to work")

    anew = orders.collections.database.create_collection("anew", **orders.collections.log.options())
    anew.insert_one(dict(GENESIS), bypass_document_validation=True)
    anew.rename("outbox", dropTarget=True)

    assert process.wait(30) == 4
    name = orders.collections.database.name
    assert "relay: the log was dropped, and perhaps made anew" in relay.log
    assert f"\n  relay cursor set 0 --database {name} --outbox outbox --name kafka\n" in relay.log
    assert "Traceback" not in relay.log


def test_moving_the_cursor_under_a_working_relay_is_4(relay: Commands, orders: Outbox) -> None:
    relay.start("run")
    wait_until(lambda: cursor_seq(orders) is not None, 20, "the relay to work")

    assert relay("cursor", "set", "0").returncode == 4


def test_a_missing_extra_is_usage_and_says_what_to_install() -> None:
    block = "import sys; sys.modules['typer'] = None; from relay.cli import main; main()"

    done = subprocess.run([sys.executable, "-c", block], capture_output=True, text=True, timeout=60, check=False)

    assert done.returncode == 2
    assert "pip install 'mongo-outbox[relay]'" in done.stderr


def test_health_does_not_load_a_kafka_client() -> None:
    look = "import sys, relay.cli, relay.status; print([name for name in sys.modules if 'confluent' in name])"

    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, timeout=60, check=True)

    assert done.stdout == "[]\n"
