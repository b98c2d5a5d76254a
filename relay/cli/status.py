"""The command `relay status`: how far a relay is."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from outbox.cli.options import AsJsonLines
from relay.cli.exit_codes import exit_codes
from relay.cli.options import Config, Database, Mongo, Name, OutboxName, outboxes

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
