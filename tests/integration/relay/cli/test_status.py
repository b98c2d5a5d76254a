"""The command `relay status`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pymongo.database import Database

from outbox import Outbox
from tests.actors.order_service import new_outbox, placed
from tests.actors.relay_command import RelayCommand

Document = dict[str, Any]


def test_status_as_json_has_the_documented_keys(relay: RelayCommand, orders: Outbox) -> None:
    orders.put(placed(1), standalone=True)
    relay("run", "--once")

    status = json.loads(relay("status", "--json").stdout)

    assert list(status) == [
        "database", "outbox", "name", "delivery", "head", "oldest", "cursor", "lag_records", "lag_seconds", "staging",
        "holder", "silent_seconds", "paused", "stopped", "fence", "dead", "parked", "headroom", "held", "shares",
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
