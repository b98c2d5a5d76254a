"""Several outboxes in one relay process, and what the command says of itself."""

from __future__ import annotations

import json
import signal
from datetime import UTC, datetime
from typing import Any

import pytest
from bson import Int64, ObjectId
from pymongo.database import Database

from outbox import Outbox
from tests.actors.order_service import foreign, new_outbox, placed
from tests.actors.price_service import PriceSet, new_prices, put
from tests.actors.relay_command import RelayCommand
from tests.waiting import wait_until

Document = dict[str, Any]


@pytest.fixture
def shops(relay: RelayCommand, database: Database[Document]) -> tuple[Outbox, Outbox]:
    """Two outboxes, and a file for the command that names both."""
    (relay.folder / "relay.toml").write_text("[[outbox]]\noutbox = 'sick'\n[[outbox]]\noutbox = 'well'\n")
    return new_prices(database, "sick"), new_prices(database, "well")


def config(relay: RelayCommand) -> str:
    return str(relay.folder / "relay.toml")


def saved_seq(outbox: Outbox) -> int:
    cursor = outbox.collections.cursors.find_one({"_id": "relay:kafka"})
    return 0 if cursor is None else int(cursor["seq"])


def test_an_outbox_with_a_poison_message_does_not_end_the_others(
    relay: RelayCommand, shops: tuple[Outbox, Outbox]
) -> None:
    sick, well = shops
    put(sick, "a", price=float("nan"))
    process = relay.start("run", "--config", config(relay))
    wait_until(lambda: "has stopped until this process is started again" in relay.log, 60, "the sick one to stop")

    well.put(PriceSet(sku="a", price=1.0), standalone=True)
    wait_until(lambda: saved_seq(well) == 1, 60, "the other to go on")

    first, second = map(json.loads, relay("status", "--json", "--config", config(relay)).stdout.splitlines())
    assert (first["outbox"], first["holder"], second["stopped"]) == ("sick", None, None)
    assert "cannot be delivered" in first["stopped"]["why"]
    assert relay("health", "--config", config(relay), "--outbox", "sick").returncode == 1
    assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 4


def test_health_self_tells_of_this_machine_and_not_of_the_lease(
    relay: RelayCommand, shops: tuple[Outbox, Outbox]
) -> None:
    assert relay("health", "--self", "--config", config(relay)).returncode == 1
    process = relay.start("run", "--config", config(relay))

    wait_until(lambda: relay("health", "--self", "--config", config(relay)).returncode == 0, 60, "it to live")
    process.send_signal(signal.SIGSTOP)
    wait_until(lambda: relay("health", "--self", "--config", config(relay)).returncode == 1, 60, "it to be seen frozen")
    process.send_signal(signal.SIGCONT)
    wait_until(lambda: relay("health", "--self", "--config", config(relay)).returncode == 0, 60, "it to live again")
    process.send_signal(signal.SIGTERM)

    assert process.wait(60) == 0
    assert "no relay with this configuration runs here" in relay("health", "--self", "--config", config(relay)).stderr


def test_a_start_beside_a_cursor_is_said_to_be_ignored(relay: RelayCommand, database: Database[Document]) -> None:
    new_outbox(database).put(placed(1), standalone=True)

    first = relay("run", "--once", "--start", "oldest")
    second = relay("run", "--once", "--start", "latest")

    assert "is ignored" not in first.stderr
    assert "goes on from its cursor, after seq 1: start latest is ignored" in second.stderr
    assert "is ignored" not in relay("run", "--once").stderr


def test_a_log_level_leaves_out_what_is_below(relay: RelayCommand, database: Database[Document]) -> None:
    new_outbox(database).put(placed(1), standalone=True)

    assert relay("run", "--once", "--log-level", "warning").stderr == ""
    assert "INFO" in relay("run", "--once", RELAY_LOG_LEVEL="INFO").stderr


@pytest.mark.parametrize("command", [["dead", "list"], ["dead", "list", "--json"], ["status"], ["dead", "show", "ID"]])
def test_a_terminal_that_lacks_letters_gets_them_escaped(
    relay: RelayCommand, database: Database[Document], command: list[str]
) -> None:
    id = ObjectId()
    new_outbox(database, name="Outbox").collections.dead.insert_one(
        {
            **foreign(key="Żółć 😀", data={"note": "Żółć"}), "_id": id, "reader": "relay:kafka", "seq": Int64(1),
            "state": "dead", "error": {"code": "refused", "reason": "zażółć"}, "attempts": 1,
            "first": datetime(2025, 1, 1, tzinfo=UTC), "last": datetime(2025, 1, 1, tzinfo=UTC),
        }
    )  # fmt: skip
    arguments = [str(id) if each == "ID" else each for each in command]

    done = relay(*arguments, "--outbox", "Outbox", PYTHONIOENCODING="ascii", PYTHONUTF8="0")

    assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr
    if command[-1] == "ID":
        assert json.loads(done.stdout)["key"] == "Żółć 😀"
