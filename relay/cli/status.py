"""The commands `relay status` and `relay health`: how far a relay is, and whether it is alive."""

from __future__ import annotations

import json
import sys
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from outbox.cli.options import AsJsonLines
from outbox.clock import SystemClock
from outbox.log.reader_id import relay_id, resume_command
from outbox.mongo.server_errors import patiently
from outbox.shares.paused import is_paused
from relay.cli.exit_codes import exit_codes
from relay.cli.options import Config, Database, Mongo, Name, OutboxName, identity_of, outboxes
from relay.cli.settings import OutboxSettings, load

if TYPE_CHECKING:
    from relay.monitoring.status import RelayStatus, ShareStatus

_SILENT_SECONDS = 5.0


def status(
    config: Config = None,
    mongo: Mongo = None,
    database: Database = None,
    outbox_name: OutboxName = None,
    name: Name = None,
    as_json: AsJsonLines = False,
) -> None:
    """Show how far the relay is."""
    from relay.monitoring.status import relay_status

    with exit_codes(), outboxes(config, mongo, database, outbox_name, name) as opened:
        statuses = [relay_status(outbox, settings.name) for settings, outbox in opened]
        if as_json:
            for shown in statuses:
                print(json.dumps(shown.as_dict()))
        else:
            _print_table(statuses)


def _print_table(statuses: list[RelayStatus]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("")
    for shown in statuses:
        table.add_column(f"{shown.database}.{shown.outbox}, relay {shown.name}")
    columns = [_cells(shown) for shown in statuses]
    for row in columns[0]:
        table.add_row(row, *(cells[row] for cells in columns))
    Console().print(table)


def _cells(shown: RelayStatus) -> dict[str, str]:
    """Returns the texts of a column, by the names that the JSON has."""
    from outbox.cli.terminal import headroom
    from outbox.monitoring.units import format_duration

    cells: dict[str, Any] = {**shown.as_dict()}
    for name in ("database", "outbox", "name", "silent_seconds"):
        del cells[name]
    if shown.silent_seconds is not None and shown.silent_seconds > _SILENT_SECONDS:
        cells["holder"] = f"{shown.holder}, no sign of life for {format_duration(shown.silent_seconds)}"
    cells["shares"] = "\n".join(map(_share, shown.shares))
    if shown.cursor is not None:
        cells["cursor"] = "\n".join(f"{name} {value}" for name, value in shown.cursor.items())
        cells["headroom"] = headroom(shown.headroom, shown.lag_records or 0)
    if shown.held is not None:
        cells["held"] = f"{shown.held['reader']}, for {format_duration(shown.held['seconds'])}"
    return {name: "none" if value is None else str(value) for name, value in cells.items()}


def _share(share: ShareStatus) -> str:
    at = "no cursor" if share.cursor is None else f"seq {share.cursor['seq']}, {share.lag_records} to go"
    return f"{share.share}: {at}, {share.holder or 'nobody'}"


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
    from relay.monitoring.health import unhealthy

    if self:
        _health_of_this_machine(config, mongo, database, outbox_name, name, as_json=as_json)
        return
    with exit_codes(), outboxes(config, mongo, database, outbox_name, name) as opened:
        for settings, outbox in opened:
            why = unhealthy(outbox, settings.name, SystemClock())
            reader = relay_id(settings.name)
            is_still = why is None and patiently(partial(is_paused, outbox.collections, reader))
            at_work = f"is paused: `{resume_command(reader)}` lets it go on" if is_still else "is at work"
            _tell_health(settings, why, at_work, as_json=as_json)


def _health_of_this_machine(*flags: str | None, as_json: bool) -> None:
    from relay.monitoring.alive import dead

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
