"""The command `relay acts`: who has acted by hand on the outboxes of the settings, and why."""

from __future__ import annotations

from outbox.acts.log import ActLog
from outbox.cli.acts import Limit, print_acts
from outbox.cli.options import AsJsonLines
from relay.cli.exit_codes import exit_codes
from relay.cli.options import Config, Database, Mongo, OutboxName, outboxes


def acts(
    config: Config = None,
    mongo: Mongo = None,
    database: Database = None,
    outbox_name: OutboxName = None,
    limit: Limit = 50,
    as_json: AsJsonLines = False,
) -> None:
    """Show who requeued, discarded, paused or resumed what.

    When and why, the newest first.
    """
    with exit_codes(), outboxes(config, mongo, database, outbox_name, None) as opened:
        for settings, outbox in opened:
            print_acts(settings.full_name, ActLog(outbox.collections).newest(limit), as_json=as_json)
