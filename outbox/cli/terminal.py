"""Prints statuses and records, for a terminal and as JSON."""

from __future__ import annotations

import json
import sys
from datetime import datetime
from typing import TYPE_CHECKING, Any

from bson import json_util
from bson.datetime_ms import DatetimeMS

from outbox import dates
from outbox.location import Location
from outbox.log.record import Record
from outbox.log.undecoded import shown
from outbox.monitoring.headroom import Headroom
from outbox.monitoring.status import Status
from outbox.monitoring.units import format_bytes, format_duration

if TYPE_CHECKING:
    from rich.table import Table

_JSON = json_util.RELAXED_JSON_OPTIONS


def visible(text: str) -> str:
    """Returns a text of anybody's with escapes for what is not seen: a terminal would obey some of that."""
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


def print_status(name: str, status: Status) -> None:
    """Prints the status of the outbox `name`, as tables."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    inside = f"seq {status.oldest:,} to {status.head:,}" if status.oldest <= status.head else "no record"
    waiting = (
        ""
        if status.staging_seconds is None
        else f", {format_bytes(status.staging_bytes)}, for {format_duration(status.staging_seconds)}"
    )
    summary = Table(box=None, show_header=False, pad_edge=False)
    summary.add_row("log", f"{inside}, {format_bytes(status.size)} of at most {format_bytes(status.capacity)}")
    summary.add_row("staging", f"{status.staging:,} waiting for their number{waiting}")
    summary.add_row("sequencer", f"{status.holder or 'nobody'} (fence {status.fence})")
    if status.held is not None:
        reader = f"{status.held.reader}{', which is paused,' if status.held.paused else ''}"
        since = format_duration(status.held.seconds)
        summary.add_row("", Text(f"waits for {reader} to read seq {status.held.seq:,}, for {since}", style="bold red"))
    if status.unsequenced:
        summary.add_row("", Text("messages wait, and no process numbers them: see its log output", style="bold red"))
    summary.add_row("dead letters", f"{status.dead:,} dead, {status.parked:,} parked")
    console = Console()
    console.print(Text(name, style="bold"))
    console.print(summary)
    console.print()
    console.print(_readers(status) if status.cursors else "no durable reader, such as a relay, has started yet")


def print_location(location: Location) -> None:
    """Prints where a message is, a line a fact."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, show_header=False, pad_edge=False)
    place = {
        "staging": "staging: committed, without a number yet",
        "log": "log",
        "dead": f"dead letters of {location.reader}: {location.state}",
        "archive": f"the archive: {location.chunk}",
        "unknown": "nowhere: not committed, or rolled over, or never put",
    }[location.place]
    table.add_row("message", str(location.id))
    table.add_row("is in", Text(place, style="" if location.place in ("log", "staging", "archive") else "bold red"))
    if location.seq is not None:
        table.add_row("seq", f"{location.seq:,}")
    for title, readers in (("passed by", location.passed), ("not yet by", location.waiting)):
        if readers:
            table.add_row(title, Text(", ".join(readers)))
    Console().print(table)


def _readers(status: Status) -> Table:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for title in ("reader", "seq", "behind", "headroom", "created (UTC)", "saved (UTC)"):
        table.add_column(title, justify="right" if title in ("seq", "behind") else "left", overflow="fold")
    for cursor in status.cursors:
        moments = [_short(date) for date in (cursor.created, cursor.updated)]
        left = headroom(cursor.headroom, cursor.lag)
        reader = f"{cursor.reader} (paused)" if cursor.paused else cursor.reader
        table.add_row(reader, f"{cursor.seq:,}", f"{cursor.lag:,}", left, *moments)
    return table


def headroom(left: Headroom | None, lag: int) -> str:
    """Writes the headroom of a reader that is `lag` records behind, in two short lines."""
    if left is None:
        return "none: its next record is gone" if lag else "none: it is beyond this log's end"
    time = "" if left.seconds is None else f", {format_duration(left.seconds)}"
    return format_bytes(left.bytes) + time + ("" if left.records is None else f"\n{left.records:,} records")


def _short(date: datetime | DatetimeMS | None) -> str:
    return "" if date is None else text(date).partition(".")[0].replace("T", " ")


def print_json(record: Record[Any]) -> None:
    """Prints a record as one line of JSON, its data as MongoDB's relaxed Extended JSON."""
    data, headers = _data(record), record.stored["headers"]
    fields = {
        "seq": record.seq,
        "id": str(record.id),
        "created": text(record.created),
        "type": record.type,
        "key": record.key,
        "headers": shown(headers),
        "data": json.loads(data),
    }
    sys.stdout.write(json.dumps(fields) + "\n")
    sys.stdout.flush()


def _data(record: Record[Any]) -> str:
    return json_util.dumps(shown(record.stored["data"]), json_options=_JSON, ensure_ascii=False)


class RecordPrinter:
    """Prints records for people, one line for each."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.text import Text

        self._console, self._line = Console(), Text.assemble

    def __call__(self, record: Record[Any]) -> None:
        headers = record.stored["headers"]
        line = self._line(
            (f"{record.seq:>8}", "bold"),
            (f"  {text(record.created)}", "dim"),
            (f"  {visible(record.type)}", "cyan"),
            f"  {visible(record.key) if record.key is not None else '-'}",
            (f"  {visible(str(shown(headers)))}" if headers else "", "dim"),
            f"  {visible(_data(record))}",
        )
        self._console.print(line, soft_wrap=True)


def text(value: object) -> str:
    """Returns a date as `outbox.dates` writes it, and anything else as Python does."""
    return dates.text(value) if isinstance(value, datetime | DatetimeMS) else str(value)
