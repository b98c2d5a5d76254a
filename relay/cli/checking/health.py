"""The command `relay health`: whether a relay is alive. As a probe it starts every few seconds, so it loads little."""

from __future__ import annotations

import json
import sys
from functools import partial
from typing import Annotated

import typer

from outbox.cli.options import AsJsonLines
from outbox.clock import SystemClock
from relay.cli.exit_codes import exit_codes
from relay.cli.options import Config, Database, Mongo, Name, OutboxName, identity_of, outboxes
from relay.cli.settings import OutboxSettings, load
from relay.monitoring.alive import dead


def health(
    config: Config = None,
    mongo: Mongo = None,
    database: Database = None,
    outbox_name: OutboxName = None,
    name: Name = None,
    self: Annotated[
        bool, typer.Option("--self", help="Whether the relay of this machine or container lives; asks no server.")
    ] = False,
    as_json: AsJsonLines = False,
) -> None:
    """Say whether a relay, wherever it is, is at work.

    Ends with 1 when none holds the lease and shows signs of life, and says why. Takes up to the lease time. One that
    somebody has paused does what it should, and the output says so.

    With --self: whether the relay with these settings in this container lives, working or standing by.
    """
    if self:
        _health_of_this_machine(config, mongo, database, outbox_name, name, as_json=as_json)
        return
    from outbox.log.reader_id import relay_id, resume_command  # here, for these load the driver: a probe starts often
    from outbox.mongo.server_errors import patiently
    from outbox.shares.paused import is_paused
    from relay.monitoring.health import unhealthy

    with exit_codes(), outboxes(config, mongo, database, outbox_name, name) as opened:
        for settings, outbox in opened:
            why = unhealthy(outbox, settings.name, SystemClock())
            reader = relay_id(settings.name)
            is_still = why is None and patiently(partial(is_paused, outbox.collections, reader))
            at_work = f"is paused: `{resume_command(reader)}` lets it go on" if is_still else "is at work"
            _tell_health(settings, why, at_work, as_json=as_json)


def _health_of_this_machine(*flags: str | None, as_json: bool) -> None:
    names = ("config", "mongo", "database", "outbox", "name")
    with exit_codes():
        for settings in load(dict(zip(names, flags, strict=True))).outboxes:
            _tell_health(settings, dead(identity_of(settings), SystemClock()), "lives here", as_json=as_json)


def _tell_health(settings: OutboxSettings, why: str | None, healthy: str, *, as_json: bool) -> None:
    """Says that a relay is `healthy`; or `why` it is not, and ends the command with 1."""
    if as_json:
        names = {"database": settings.database, "outbox": settings.outbox, "name": settings.name}
        print(json.dumps({**names, "healthy": why is None, "why": why}))
    elif why is not None:
        print(f"{settings.full_name}: {why}", file=sys.stderr)
    else:
        print(f"{settings.full_name}: relay {settings.name!r} {healthy}")
    if why is not None:
        raise typer.Exit(1)
