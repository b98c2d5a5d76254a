"""The commands `relay cursor …`: where a relay is, and putting it elsewhere."""

from __future__ import annotations

import json
import sys
from functools import partial
from typing import Annotated

import typer

from outbox.clock import SystemClock
from outbox.mongo.server_errors import patiently
from relay.cli import settings
from relay.cli.command import Command
from relay.cli.exit_codes import exit_codes
from relay.cli.options import AsJson, Config, Database, Mongo, Name, OutboxName, only, outboxes
from relay.errors import InvalidSettings
from relay.shares import cursor_admin as cursors
from relay.shares import layout
from relay.shares.share import shares

cursor = typer.Typer(help="Shows, moves and removes a relay's cursor.", no_args_is_help=True)


@cursor.command(cls=Command)
def show(
    config: Config = None,
    mongo: Mongo = None,
    database: Database = None,
    outbox: OutboxName = None,
    name: Name = None,
    as_json: AsJson = False,
) -> None:
    """Show the last record delivered: seq, id and date; of several shares, of each; as JSON, of the slowest."""
    from relay.monitoring.status import described

    with exit_codes(), outboxes(config, mongo, database, outbox, name) as opened:
        for each, its in opened:
            found = patiently(partial(layout.load, its.collections, each.name))
            slowest = found.slowest
            if as_json:
                print(json.dumps(None if slowest is None else described(slowest)))
                continue
            for share, position in zip(shares(found.shares or 1), found.positions or (None,), strict=True):
                at = (
                    "no cursor yet"
                    if position is None
                    else "seq {seq}, id {id}, created {created}".format(**described(position))
                )
                print(f"{each.database}.{each.outbox}, relay {share.name(each.name)!r}: {at}")


@cursor.command("set", cls=Command)
def set_(
    to: Annotated[str, typer.Argument(metavar="SEQ|DATE", help="The seq delivered last, or the date to go on from.")],
    config: Config = None,
    mongo: Mongo = None,
    database: Database = None,
    outbox: OutboxName = None,
    name: Name = None,
) -> None:
    """Move the cursor, while no relay works with it. What comes after it is delivered, again or for the first time."""
    with exit_codes(), outboxes(config, mongo, database, outbox, name) as opened:
        try:
            target = int(to) if to.isdecimal() else settings.date(to)
        except ValueError:
            raise InvalidSettings(f"{to!r} is neither a seq nor a date such as 2025-01-31T12:00Z") from None
        each, its = only(opened)
        before, now = cursors.move(its, each.name, target, SystemClock())
        was = "had no cursor" if before is None else f"was seq {before[0]}"
        print(f"{each.database}.{each.outbox}, relay {each.name!r}: {was}, now {now[0]}; seq {now[0] + 1} comes next")


@cursor.command(cls=Command)
def forget(
    relay_name: Annotated[str, typer.Argument(metavar="NAME", help="The relay that will not come back.")],
    config: Config = None,
    mongo: Mongo = None,
    database: Database = None,
    outbox: OutboxName = None,
) -> None:
    """Remove a relay's cursor, while none works with it, so that it holds the sequencer back no more."""
    with exit_codes(), outboxes(config, mongo, database, outbox, relay_name) as opened:
        each, its = only(opened)
        if not cursors.forget(its, relay_name, SystemClock()):
            print(f"{each.database}.{each.outbox}: relay {relay_name!r} has no cursor", file=sys.stderr)
            raise typer.Exit(1)
        print(f"{each.database}.{each.outbox}: the cursor of relay {relay_name!r} is forgotten")
