"""The commands `relay shares …`: show and change how many shares a relay's keys are divided into."""

from __future__ import annotations

import json
import sys
from functools import partial
from typing import Annotated

import typer

from outbox.arguments import MOST_SHARES
from outbox.cli.options import AsJsonLines
from outbox.cli.shell.command import Command
from outbox.log.reader_id import relay_id
from outbox.mongo.server_errors import patiently
from outbox.shares import layout
from relay.cli.exit_codes import exit_codes
from relay.cli.options import Config, Database, Mongo, Name, OutboxName, only, outboxes

shares = typer.Typer(help="Show and change into how many shares a relay's keys are divided.", no_args_is_help=True)


@shares.command(cls=Command)
def show(
    config: Config = None,
    mongo: Mongo = None,
    database: Database = None,
    outbox_name: OutboxName = None,
    name: Name = None,
    as_json: AsJsonLines = False,
) -> None:
    """Show how many shares there are.

    And how many are wanted, if that is being changed.
    """
    with exit_codes(), outboxes(config, mongo, database, outbox_name, name) as opened:
        for settings, outbox in opened:
            current = patiently(partial(layout.load, outbox.collections, relay_id(settings.name)))
            if as_json:
                print(json.dumps({"shares": current.shares, "wanted": current.wanted}))
                continue
            now = "not begun yet" if current.shares is None else f"{current.shares} share(s)"
            wanted = "" if current.wanted is None else f", to be {current.wanted}"
            print(f"{settings.full_name}, relay {settings.name!r}: {now}{wanted}")


@shares.command("set", cls=Command)
def set_(
    number: Annotated[int, typer.Argument(metavar="NUMBER", min=1, max=MOST_SHARES, help="How many there shall be.")],
    config: Config = None,
    mongo: Mongo = None,
    database: Database = None,
    outbox_name: OutboxName = None,
    name: Name = None,
) -> None:
    """Change how many there are.

    Relays at work carry it out within some seconds, else the first one to start does.
    """
    with exit_codes(), outboxes(config, mongo, database, outbox_name, name) as opened:
        settings, outbox = only(opened)
        reader, place = relay_id(settings.name), f"{settings.full_name}, relay {settings.name!r}"
        there_are = patiently(partial(layout.set_shares, outbox.collections, reader, number))
        if there_are is None:
            print(f"{place}: not begun yet: give its first start --shares {number}", file=sys.stderr)
            raise typer.Exit(1)
        if number == there_are:
            print(f"{place}: {number} share(s), as there are")
        else:
            print(f"{place}: {there_are} share(s) now, to be {number}; `relay shares show` says when it is done")
