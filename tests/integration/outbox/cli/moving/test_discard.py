"""The command `outbox discard`, as its own process."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

from bson import ObjectId

from outbox import Outbox
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


def test_an_age_that_is_none_is_refused(shell: Shell) -> None:
    refused = shell.run("discard", "shop:orders", "--older-than", "soon")

    assert refused.returncode == 2
    assert "--older-than 'soon': give a number and a unit" in refused.stderr
