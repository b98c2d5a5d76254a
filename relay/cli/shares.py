"""The commands `relay shares …`: into how many shares a relay's keys are divided."""

from __future__ import annotations

import json
import sys
from functools import partial
from typing import Annotated

import typer

from outbox.mongo.server_errors import patiently
from relay.cli.command import Command
from relay.cli.exit_codes import exit_codes
from relay.cli.options import AsJson, Config, Database, Mongo, Name, OutboxName, only, outboxes
from relay.shares import layout
from relay.shares.share import MOST_SHARES

shares = typer.Typer(help="Shows and changes into how many shares a relay's keys are divided.", no_args_is_help=True)


@shares.command(cls=Command)
def show(
    config: Config = None,
    mongo: Mongo = None,
    database: Database = None,
    outbox: OutboxName = None,
    name: Name = None,
    as_json: AsJson = False,
) -> None:
    """Show how many shares there are, and how many are wanted if that is being changed."""
    with exit_codes(), outboxes(config, mongo, database, outbox, name) as opened:
        for each, its in opened:
            found = patiently(partial(layout.load, its.collections, each.name))
            if as_json:
                print(json.dumps({"shares": found.shares, "wanted": found.wanted}))
                continue
            now = "not begun yet" if found.shares is None else f"{found.shares} share(s)"
            wanted = "" if found.wanted is None else f", to be {found.wanted}"
            print(f"{each.database}.{each.outbox}, relay {each.name!r}: {now}{wanted}")


@shares.command("set", cls=Command)
def set_(
    number: Annotated[int, typer.Argument(min=1, max=MOST_SHARES, help="How many there shall be.")],
    config: Config = None,
    mongo: Mongo = None,
    database: Database = None,
    outbox: OutboxName = None,
    name: Name = None,
) -> None:
    """Change how many there are. Relays at work carry it out within some seconds, else the first one to start does."""
    with exit_codes(), outboxes(config, mongo, database, outbox, name) as opened:
        each, its = only(opened)
        found = patiently(partial(layout.survey, its.collections, each.name))
        place = f"{each.database}.{each.outbox}, relay {each.name!r}"
        if found.shares is None:
            if found.fault is not None:
                raise found.fault
            print(f"{place}: not begun yet: give its first start --shares {number}", file=sys.stderr)
            raise typer.Exit(1)
        if number == found.shares:
            if found.wanted is not None or found.fault is not None:
                patiently(partial(layout.cancel_request, its.collections, each.name, found))
            print(f"{place}: {number} share(s), as there are")
        else:
            patiently(partial(layout.request_shares, its.collections, each.name, number))
            print(f"{place}: {found.shares} share(s) now, to be {number}; `relay shares show` says when it is done")
