"""How statuses and records look on a terminal, and as JSON."""

from __future__ import annotations

import json
import sys
from datetime import datetime
from typing import Any

from bson import json_util
from rich.console import Console
from rich.table import Table
from rich.text import Text

from outbox.record import Record
from outbox.status import Status

_JSON = json_util.RELAXED_JSON_OPTIONS


def print_status(name: str, found: Status) -> None:
    """The status of the outbox `name`, as tables."""
    held = f"seq {found.oldest:,} to {found.head:,}" if found.oldest <= found.head else "no record"
    summary = Table(box=None, show_header=False, pad_edge=False)
    summary.add_row("log", f"{held}, in at most {size(found.capacity)}")
    summary.add_row("staging", f"{found.staging:,} waiting for their number")
    summary.add_row("sequencer", f"{found.holder or 'nobody'} (fence {found.fence})")
    readers = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0))
    for title in ("reader", "seq", "behind", "created (UTC)", "saved (UTC)"):
        readers.add_column(title, justify="right" if title in ("seq", "behind") else "left", overflow="fold")
    for each in found.cursors:
        dates = [_short(date) for date in (each.created, each.updated)]
        readers.add_row(each.reader, f"{each.seq:,}", f"{max(0, found.head - each.seq):,}", *dates)
    console = Console()
    console.print(Text(name, style="bold"))
    console.print(summary)
    console.print()
    console.print(readers if found.cursors else "no durable reader, such as a relay, has started yet")


def _short(date: datetime | None) -> str:
    return "" if date is None else text(date)[:19].replace("T", " ")


def print_json(record: Record[Any]) -> None:
    """A record as one line of JSON, its data as MongoDB's relaxed Extended JSON."""
    data = None if record.data is None else json.loads(json_util.dumps(record.data, json_options=_JSON))
    fields = {
        "seq": record.seq,
        "id": str(record.id),
        "created": text(record.created),
        "type": record.type,
        "key": record.key,
        "headers": record.headers,
        "data": data,
    }
    sys.stdout.write(json.dumps(fields) + "\n")
    sys.stdout.flush()


class _Console(Console):
    def on_broken_pipe(self) -> None:
        raise  # noqa: PLE0704  # rich calls it while it handles the error, and would end the printing thread only


class RecordPrinter:
    """Prints records for people, a line each."""

    def __init__(self) -> None:
        self._console = _Console()

    def __call__(self, record: Record[Any]) -> None:
        line = Text.assemble(
            (f"{record.seq:>8}", "bold"),
            (f"  {text(record.created)}", "dim"),
            (f"  {record.type}", "cyan"),
            f"  {record.key if record.key is not None else '-'}",
            (f"  {record.headers}" if record.headers else "", "dim"),
            f"  {json_util.dumps(record.data, json_options=_JSON, ensure_ascii=False)}",
        )
        self._console.print(line, soft_wrap=True)


def size(count: int) -> str:
    """A count of bytes, in MiB."""
    return f"{count / 2**20:,.0f} MiB"


def text(value: object) -> str:
    """Dates as everywhere else: UTC, milliseconds, Z."""
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return str(value)
