"""The command `outbox`: create, look into and number the outbox that an application declares."""

from __future__ import annotations

import contextlib
import difflib
import importlib.metadata
import io
import json
import os
import signal
import sys
import threading
from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

try:
    import typer
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text
except ModuleNotFoundError as missing:
    print(f"outbox: {missing}; install it with: pip install 'mongo-outbox[relay]'", file=sys.stderr)
    raise SystemExit(2) from None

import pymongo
from bson import json_util
from pymongo.errors import ConnectionFailure, PyMongoError

from outbox import errors
from outbox.application import InvalidApplication, load
from outbox.outbox import Outbox
from outbox.record import Record
from outbox.start import Start
from outbox.status import Status

app = typer.Typer(
    help="Creates and shows the outbox of a service. APP is module:attribute, as web servers have it.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode=None,  # as markup, brackets in a help text would vanish
)

CONNECT_SECONDS = 5.0
_EXITS: tuple[tuple[tuple[type[Exception], ...], int], ...] = (
    ((InvalidApplication, errors.InvalidStart, errors.UnknownMessage), 2),
    ((ConnectionFailure,), 3),
    ((errors.HistoryLost, errors.LogReplaced, errors.LogCorrupt, errors.OutboxNotCreated), 4),
    ((errors.IncompatibleOutbox, errors.UnsupportedServer), 4),
    ((errors.OutboxError, PyMongoError), 1),
)

App = Annotated[
    str,
    typer.Argument(
        metavar="APP",
        help="module:attribute, an Outbox or a function that returns one; this folder is searched first.",
        show_default=False,
    ),
]


def main() -> None:
    """The script `outbox`."""
    if isinstance(sys.stdout, io.TextIOWrapper):  # records may have what the terminal's encoding has not
        sys.stdout.reconfigure(errors="backslashreplace")
    app(prog_name="outbox")


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"mongo-outbox {importlib.metadata.version('mongo-outbox')}")
        raise typer.Exit


@app.callback()
def common(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Has what all commands have in common."""


@app.command()
def create(app: App) -> None:
    """Make the collections, or add what is new to them.

    New are message classes, and a larger capacity. Run it at each deployment, before the services start: it is
    idempotent, and older services may be putting meanwhile.
    """
    with _opened(app) as outbox:
        outbox.create()
        status = outbox.status()
        types = ", ".join(outbox.types()) or "no message types yet"
        print(f"{_full_name(outbox)} is ready: a log of {_size(status.capacity)}; {types}")


@app.command()
def status(
    app: App, as_json: Annotated[bool, typer.Option("--json", help="One JSON object instead of the tables.")] = False
) -> None:
    """Show what is in it, who numbers, and how far readers are."""
    with _opened(app) as outbox:
        found = outbox.status()
        if as_json:
            print(json.dumps(asdict(found), default=_text))
        else:
            _print_status(_full_name(outbox), found)


def _print_status(name: str, found: Status) -> None:
    held = f"seq {found.oldest:,} to {found.head:,}" if found.oldest <= found.head else "no record"
    summary = Table(box=None, show_header=False, pad_edge=False)
    summary.add_row("log", f"{held}, in at most {_size(found.capacity)}")
    summary.add_row("staging", f"{found.staging:,} waiting for their number")
    summary.add_row("sequencer", f"{found.holder or 'nobody'} (fence {found.fence})")
    readers = Table()
    for title in ("reader", "seq", "behind", "created", "updated"):
        readers.add_column(title, justify="right" if title in ("seq", "behind") else "left", overflow="fold")
    for each in found.cursors:
        dates = [_text(date) if date is not None else "" for date in (each.created, each.updated)]
        readers.add_row(each.reader, f"{each.seq:,}", f"{max(0, found.head - each.seq):,}", *dates)
    console = Console()
    console.print(Text(name, style="bold"))
    console.print(summary)
    console.print(readers if found.cursors else "no durable reader, such as a relay, has started yet")


@app.command()
def tail(
    app: App,
    start: Annotated[
        str, typer.Option(metavar="WHERE", help="earliest, latest, a seq, or a date such as 2025-01-31T12:00Z.")
    ] = "latest",
    type: Annotated[list[str] | None, typer.Option(metavar="TYPE", help="Only this type; may be repeated.")] = None,
    key: Annotated[str | None, typer.Option(help="Only this key.")] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object a line; data is MongoDB's relaxed Extended JSON.")
    ] = False,
) -> None:
    """Print records as they come, until Ctrl-C.

    Like any subscriber it numbers messages if nobody else does, unless the Outbox has sequence=False.
    """
    with _opened(app) as outbox:
        outbox.log.describe()  # whether create() was run, before a sequencer warns of it in its own words
        _check_types(type or [], outbox)
        ended = threading.Event()
        failures: list[Exception] = []

        def fail(error: Exception) -> None:
            failures.append(error)
            ended.set()

        show = _print_json if as_json else _RecordPrinter(_TailConsole())
        previous = signal.signal(signal.SIGTERM, signal.default_int_handler)
        subscription = outbox.observe(start_of(start), types=type, key=key).subscribe(show, fail, ended.set)
        try:
            ended.wait()
        except KeyboardInterrupt:
            pass  # how one ends it
        finally:
            subscription.dispose()
            signal.signal(signal.SIGTERM, previous)
        _raise_first(failures)


def _raise_first(failures: list[Exception]) -> None:
    if failures and isinstance(failures[0], BrokenPipeError):
        # Whoever read this has enough (`| head`). Python must not complain of it once more when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    elif failures:
        raise failures[0]


def _check_types(types: list[str], outbox: Outbox) -> None:
    known = outbox.types()
    for each in types:
        if each not in known:
            near = difflib.get_close_matches(each, known, n=1)
            told = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(known) or 'none yet'}"
            raise errors.UnknownMessage(f"{_full_name(outbox)} has no message type {each!r}; {told}")


_WORDS: dict[str, Start] = {"earliest": "earliest", "latest": "latest"}


def start_of(text: str) -> Start:
    """What `--start` says. Raises InvalidStart."""
    if text in _WORDS:
        return _WORDS[text]
    if text.isdecimal():
        return int(text)
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise errors.InvalidStart(
            f"--start {text!r} is none of: earliest, latest, a seq, a date such as 2025-01-31T12:00Z"
        ) from None


def _print_json(record: Record[Any]) -> None:
    data = None if record.data is None else json.loads(json_util.dumps(record.data, json_options=_JSON))
    fields = {
        "seq": record.seq,
        "id": str(record.id),
        "created": _text(record.created),
        "type": record.type,
        "key": record.key,
        "headers": record.headers,
        "data": data,
    }
    print(json.dumps(fields), flush=True)


_JSON = json_util.RELAXED_JSON_OPTIONS


class _TailConsole(Console):
    def on_broken_pipe(self) -> None:
        raise  # noqa: PLE0704  # rich calls it while it handles the error, and would end the printing thread only


class _RecordPrinter:
    """Prints records for people: one line each, in columns as far as they are regular."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def __call__(self, record: Record[Any]) -> None:
        line = Text.assemble(
            (f"{record.seq:>8}", "bold"),
            (f"  {_text(record.created)}", "dim"),
            (f"  {record.type}", "cyan"),
            f"  {record.key if record.key is not None else '-'}",
            (f"  {record.headers}" if record.headers else "", "dim"),
            f"  {json_util.dumps(record.data, json_options=_JSON, ensure_ascii=False)}",
        )
        self._console.print(line, soft_wrap=True)


@app.command()
def schema(app: App, type: Annotated[str | None, typer.Argument(metavar="TYPE", help="One type only.")] = None) -> None:
    """Print the JSON Schema of messages, as Kafka has them.

    It comes from the message classes; no server is asked.
    """
    with _exit_codes(), load(app, Path.cwd()) as outbox:
        schemas = outbox.json_schemas()
        if type is not None and type not in schemas:
            near = difflib.get_close_matches(type, schemas, n=1)
            told = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(schemas) or 'none'}"
            raise errors.UnknownMessage(f"{app} has no message class for {type!r}; {told}")
        Console().print_json(data=schemas if type is None else schemas[type], ensure_ascii=True)


@app.command()
def sequence(app: App) -> None:
    """Number what staging holds, once, and print the count.

    The count is 0 also when another process numbers.
    """
    with _opened(app) as outbox:
        outbox.log.describe()  # as above
        print(outbox.sequence())


@contextlib.contextmanager
def _opened(app: str) -> Iterator[Outbox]:
    """The Outbox that APP names, with a server that answers; ends the command with the code of an error."""
    with _exit_codes(), load(app, Path.cwd()) as outbox:
        try:
            with pymongo.timeout(CONNECT_SECONDS):
                outbox.collections.client.admin.command("ping")
        except ConnectionFailure as error:
            # The rest of a selection timeout's text describes the whole topology; the first part has the reason.
            raise ConnectionFailure(f"MongoDB did not answer: {str(error).split(', Timeout: ')[0]}") from error
        yield outbox


@contextlib.contextmanager
def _exit_codes() -> Iterator[None]:
    """Ends the command with the code of the error; what is not listed is a defect, and shows its traceback."""
    try:
        yield
    except (errors.OutboxError, PyMongoError) as error:
        print(f"outbox: {str(error).split(', full error: ')[0]}", file=sys.stderr)
        code = next(code for classes, code in _EXITS if isinstance(error, classes))
        raise typer.Exit(code) from None


def _full_name(outbox: Outbox) -> str:
    return outbox.collections.log.full_name


def _size(bytes: int) -> str:
    return f"{bytes / 2**20:,.0f} MiB"


def _text(value: object) -> str:
    """Dates as everywhere else: UTC, milliseconds, Z."""
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return str(value)
