"""What `relay replay` looks for before it begins."""

from __future__ import annotations

from relay.cli.replay.command import REPLAYING
from tests.actors.database_users import privileges


def test_what_a_replay_checks_at_its_start_is_what_its_role_allows() -> None:
    granted = {
        (each.collection.removeprefix("outbox") if each.collection else "*", each.action)
        for each in privileges()
        if each.role in {"outboxReader", "outboxReplayer"}
    }

    assert granted == {(part, action) for part, actions in REPLAYING.items() for action in actions}
