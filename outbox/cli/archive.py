"""The commands `outbox archive …`: keep all of history in files, check it, show it, and shorten it."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from outbox.cli.application import OWN_CODES, App, archive_at, archive_errors, full_name, opened, read_age
from outbox.cli.exit_codes import UNEXPECTED, exit_codes
from outbox.cli.options import AsJson, AsJsonLines, Yes
from outbox.cli.shell.completion import one_of
from outbox.cli.shell.signals import Format, LogFormat, stop_on_signals
from outbox.mongo.server_errors import patiently
from outbox.monitoring.units import format_bytes

if TYPE_CHECKING:
    from outbox.archive import Archive
    from outbox.archive.manifest import Entry

archive = typer.Typer(no_args_is_help=True, help="Keep all of history in files: check it, show it, and shorten it.")

_PLACE = "A folder, or a URL such as s3://bucket/path or mongodb://host/database.collection."
Url = Annotated[str, typer.Argument(metavar="URL", help=_PLACE, show_default=False)]
Name = Annotated[str, typer.Option(metavar="NAME", help="Which archive of the place.")]


@archive.command()
def run(
    app: App,
    to: Annotated[str, typer.Option(metavar="URL", help=_PLACE)],
    format: Annotated[
        str | None,
        typer.Option(
            metavar="FORMAT",
            help="Of files: jsonl, jsonl.gz, jsonl.zst or parquet [default: jsonl.gz]",
            autocompletion=one_of("jsonl", "jsonl.gz", "jsonl.zst", "parquet"),
        ),
    ] = None,
    name: Name = "main",
    once: Annotated[bool, typer.Option("--once", help="Store what there is, then end.")] = False,
    as_json: AsJson = False,
    log_format: LogFormat = Format.TEXT,
) -> None:
    """Store the log's records as they come, until SIGTERM or Ctrl-C.

    A durable reader: the log rolls over nothing that is not stored. One process works, others stand by.
    """
    with opened(app) as outbox, archive_errors():
        from outbox.archive.archiving import archive_log
        from outbox.cli.progress import RecordProgress

        place = archive_at(to, name)
        head = patiently(outbox.log.head)  # raises if create() was never run
        stop = stop_on_signals(log_format)
        done = place.head
        with RecordProgress(f"{full_name(outbox)} to {place.url}", head, done) as progress:
            archive_log(
                outbox,
                place,
                format,
                stop=stop,
                once=once,
                stored=lambda entry: progress.reach(entry.last, entry.bytes),
            )
        reached = place.head
        if as_json:
            facts = {"outbox": full_name(outbox), "archive": place.url, "records": reached - done}
            print(json.dumps({**facts, "bytes": progress.bytes, "last": reached}))
            return
        print(
            f"{full_name(outbox)}: {reached - done:,} record(s), {format_bytes(progress.bytes)}, stored in {place.url} "
            f"up to seq {reached}"
        )


@archive.command()
def verify(url: Url, name: Name = "main", as_json: AsJson = False) -> None:
    """Read all of an archive, and check it.

    Checksums, counts, and that no seq is missing. Ends with 4 at a damaged chunk, and names it; with 1 when there is
    none.
    """
    with exit_codes("outbox", OWN_CODES), archive_errors():
        from outbox.cli.progress import RecordProgress

        place = archive_at(url, name)
        with RecordProgress(place.url, place.head) as progress:
            found = place.verify(lambda entry: progress.reach(entry.last, entry.bytes))
        if as_json:
            print(json.dumps(asdict(found)))
        elif found.chunks:
            print(
                f"{url}: seq {found.first} to {found.last}, {found.records:,} record(s) in {found.chunks:,} chunk(s), "
                f"{format_bytes(found.bytes)}, all as written"
            )
        if not found.chunks:
            _say_that_it_is_empty(place)


@archive.command("list")
def list_(url: Url, name: Name = "main", as_json: AsJsonLines = False) -> None:
    """Show the chunks of an archive. Ends with 1 when there is none."""
    with exit_codes("outbox", OWN_CODES), archive_errors():
        place = archive_at(url, name)
        entries = place.chunks()
        if as_json:
            for entry in entries:
                print(json.dumps(asdict(entry)))
        elif entries:
            _print_table(entries)
        else:
            _say_that_it_is_empty(place)


@archive.command()
def expire(
    url: Url,
    older_than: Annotated[str, typer.Option(metavar="AGE", help="Such as 90d, 12h or 4w: of a chunk's newest record.")],
    name: Name = "main",
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Remove the oldest chunks, or say which would be removed. The newest chunk always stays."""
    with exit_codes("outbox", OWN_CODES), archive_errors():
        age = read_age(older_than)
        place = archive_at(url, name)
        found = place.expired(age)
        if not as_json:
            for entry in found:
                size = f"{entry.count:,} record(s), {format_bytes(entry.bytes)}"
                print(f"{entry.file}: {size}, up to {entry.created_last}")
        if yes:
            found = place.expire(age)
        if as_json:
            print(json.dumps({"removed": yes, "chunks": [asdict(entry) for entry in found]}))
            return
        total = f"{len(found):,} chunk(s), {sum(entry.count for entry in found):,} record(s)"
        print(f"removed {total}" if yes else f"would remove {total}; with --yes it does")


def _say_that_it_is_empty(place: Archive) -> None:
    sys.stderr.write(f"outbox: there is no archive {place.name!r} at {place.url}, or nothing in it\n")
    raise SystemExit(UNEXPECTED)


def _print_table(entries: list[Entry]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for title in ("first", "last", "created (UTC)", "records", "size", "format", "types"):
        table.add_column(
            title, justify="right" if title in ("first", "last", "records", "size") else "left", overflow="fold"
        )
    for each in entries:
        numbers = f"{each.first:,}", f"{each.last:,}"
        size = f"{each.count:,}", format_bytes(each.bytes)
        table.add_row(
            *numbers, f"{each.created_first} to {each.created_last}", *size, each.format, ", ".join(each.types)
        )
    Console().print(table)
