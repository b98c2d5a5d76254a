"""The commands `relay cursor …`, `relay pause` and `relay resume`: show, move, remove and pause a relay's cursor."""

from __future__ import annotations

import json
import sys
from datetime import datetime
from functools import partial
from typing import Annotated

import typer

from outbox import Outbox
from outbox.acts.operator import Operator
from outbox.cli.acts import Reason, this_person
from outbox.cli.options import AsJsonLines
from outbox.cli.shell.command import Command
from outbox.clock import SystemClock
from outbox.log.reader_id import relay_id
from outbox.mongo.server_errors import patiently
from outbox.readers.start import read as read_start
from outbox.shares import cursor_admin as cursors
from outbox.shares import layout
from outbox.shares.share import shares
from relay.cli.exit_codes import exit_codes
from relay.cli.options import Config, Database, Mongo, Name, OutboxName, only, outboxes
from relay.errors import InvalidSettings

cursor = typer.Typer(help="Show, move and remove a relay's cursor.", no_args_is_help=True)


@cursor.command(cls=Command)
def show(
    config: Config = None,
    mongo: Mongo = None,
    database: Database = None,
    outbox_name: OutboxName = None,
    name: Name = None,
    as_json: AsJsonLines = False,
) -> None:
    """Show the last record delivered: seq, id and date.

    Of several shares it shows each; as JSON, the slowest.
    """
    from relay.monitoring.status import described

    with exit_codes(), outboxes(config, mongo, database, outbox_name, name) as opened:
        for settings, outbox in opened:
            current = patiently(partial(layout.load, outbox.collections, relay_id(settings.name)))
            slowest = current.slowest
            if as_json:
                print(json.dumps(None if slowest is None else described(slowest)))
                continue
            for share, position in zip(shares(current.total), current.positions or (None,), strict=True):
                at = (
                    "no cursor yet"
                    if position is None
                    else "seq {seq}, id {id}, created {created}".format(**described(position))
                )
                print(f"{settings.full_name}, relay {share.name(settings.name)!r}: {at}")


@cursor.command("set", cls=Command)
def set_(
    to: Annotated[str, typer.Argument(metavar="SEQ|DATE", help="The seq delivered last, or the date to go on from.")],
    config: Config = None,
    mongo: Mongo = None,
    database: Database = None,
    outbox_name: OutboxName = None,
    name: Name = None,
) -> None:
    """Move the cursor, while no relay works with it.

    What comes after it is delivered, again or for the first time.
    """
    with exit_codes(), outboxes(config, mongo, database, outbox_name, name) as opened:
        try:
            target: int | datetime = read_start(to, ())
        except ValueError:
            raise InvalidSettings(f"{to!r} is neither a seq nor a date such as 2025-01-31T12:00Z") from None
        settings, outbox = only(opened)
        before, now = cursors.move(outbox.collections, relay_id(settings.name), target, SystemClock())
        was = "had no cursor" if before is None else f"was seq {before[0]}"
        print(f"{settings.full_name}, relay {settings.name!r}: {was}, now {now[0]}; seq {now[0] + 1} comes next")


@cursor.command(cls=Command)
def forget(
    relay_name: Annotated[str, typer.Argument(metavar="NAME", help="The relay that will not come back.")],
    config: Config = None,
    mongo: Mongo = None,
    database: Database = None,
    outbox_name: OutboxName = None,
) -> None:
    """Remove a relay's cursor, while none works with it.

    Then it holds the sequencer back no more.
    """
    with exit_codes(), outboxes(config, mongo, database, outbox_name, relay_name) as opened:
        settings, outbox = only(opened)
        if not cursors.forget(outbox.collections, relay_id(relay_name), SystemClock()):
            print(f"{settings.full_name}: relay {relay_name!r} has no cursor", file=sys.stderr)
            raise typer.Exit(1)
        print(f"{settings.full_name}: the cursor of relay {relay_name!r} is forgotten")


def pause(
    config: Config = None,
    mongo: Mongo = None,
    database: Database = None,
    outbox_name: OutboxName = None,
    name: Name = None,
    reason: Reason = None,
) -> None:
    """Stop relaying until it is resumed.

    Relays at work stop within some seconds and keep their leases, and the log is held all the same.
    """
    with exit_codes(), outboxes(config, mongo, database, outbox_name, name) as opened:
        settings, outbox = only(opened)
        _operator(outbox, settings.name).pause(reason)
        said = "paused; it holds the log all the same, until `relay resume`"
        print(f"{settings.full_name}, relay {settings.name!r}: {said}")


def resume(
    config: Config = None,
    mongo: Mongo = None,
    database: Database = None,
    outbox_name: OutboxName = None,
    name: Name = None,
    reason: Reason = None,
) -> None:
    """Let a relay go on that is paused."""
    with exit_codes(), outboxes(config, mongo, database, outbox_name, name) as opened:
        settings, outbox = only(opened)
        _operator(outbox, settings.name).resume(reason)
        print(f"{settings.full_name}, relay {settings.name!r}: not paused")


def _operator(outbox: Outbox, name: str) -> Operator:
    return Operator(outbox.collections, relay_id(name), this_person())
