"""The command `outbox discard`, as its own process."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

from bson import ObjectId

from outbox import Outbox
from outbox.acts.log import ActLog
from tests.actors.order_service import foreign
from tests.integration.outbox.cli.shell import Shell


def test_it_says_first_what_it_would_remove_and_removes_it_with_yes(shell: Shell, orders: Outbox) -> None:
    imported = orders.collections.imported
    imported.insert_one({"_id": ObjectId(), "at": datetime.now(UTC) - timedelta(days=2)})
    said = shell.run("discard", "shop:orders", "--older-than", "1d")

    counts = "0 inbox entries, 1 imported messages, 0 dead letters, 0 acts, 0 idle leases"
    assert (said.stdout, said.stderr) == (f"would remove {counts}; with --yes it does\n", "")
    assert imported.count_documents({}) == 1
    done = shell.run("discard", "shop:orders", "--older-than", "1d", "--yes", "--json")
    assert json.loads(done.stdout) == {
        "removed": True, "inbox_entries": 0, "imported_messages": 1, "dead_letters": 0, "acts": 0, "idle_leases": 0,
    }  # fmt: skip
    assert imported.count_documents({}) == 0


def test_messages_that_are_given_up_for_their_age_are_in_the_log_of_acts(shell: Shell, orders: Outbox) -> None:
    old = datetime.now(UTC) - timedelta(days=2)
    letter = {**foreign(), "_id": ObjectId(), "reader": "relay:kafka", "seq": 1, "state": "dead", "last": old}
    orders.collections.dead.insert_one(letter)

    shell.run("discard", "shop:orders", "--older-than", "1d", "--yes")

    assert orders.collections.dead.count_documents({}) == 0
    [act] = ActLog(orders.collections).newest()
    assert (act["what"], act["count"], act["reason"]) == ("discard", 1, "outbox discard --older-than 1d")


def test_an_age_that_is_none_is_refused(shell: Shell) -> None:
    refused = shell.run("discard", "shop:orders", "--older-than", "soon")

    assert refused.returncode == 2
    assert "--older-than 'soon': give a number and a unit" in refused.stderr
