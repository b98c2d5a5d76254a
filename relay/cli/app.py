"""The command `relay`: reads the environment, makes the clients, and turns errors into exit codes."""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import threading
from typing import TYPE_CHECKING, Annotated, Any

try:
    import typer

    from outbox.cli.terminal import escape_the_unprintable
    from outbox.clock import SystemClock
    from relay.cli import settings
    from relay.cli.command import Command
    from relay.cli.cursor import cursor
    from relay.cli.dead import dead
    from relay.cli.demo import demo
    from relay.cli.exit_codes import exit_codes
    from relay.cli.options import AsJson, Config, Database, Mongo, Name, OutboxName, outboxes
    from relay.cli.shares import shares as shares_app
    from relay.connection import identity_of
    from relay.errors import InvalidSettings
except ModuleNotFoundError as missing:
    print(f"relay: {missing}; install it with: pip install '.[relay]', in its clone", file=sys.stderr)
    raise SystemExit(2) from None
except KeyboardInterrupt:  # loading takes long enough to be interrupted
    raise SystemExit(130) from None

if TYPE_CHECKING:
    from relay.monitoring.status import RelayStatus, ShareStatus

app = typer.Typer(
    help="Relays MongoDB outboxes to Kafka.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode=None,  # as markup, the `[kafka]` of a help text would vanish
)
app.add_typer(cursor, name="cursor")
app.add_typer(dead, name="dead")
app.add_typer(shares_app, name="shares")
app.command(cls=Command)(demo)


def main() -> None:
    """The script `relay`."""
    escape_the_unprintable()
    app(prog_name="relay")


def _print_version(wanted: bool) -> None:
    if wanted:
        import importlib.metadata

        from relay.encoding.encoder import is_native

        encoder = "with" if is_native() else "without"
        print(f"mongo-outbox {importlib.metadata.version('mongo-outbox')} ({encoder} the compiled encoder)")
        raise typer.Exit


@app.callback()
def common(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Has what all commands have in common."""


@app.command(cls=Command)
def run(
    config: Config = None,
    mongo: Mongo = None,
    database: Database = None,
    outbox: OutboxName = None,
    kafka: Annotated[str | None, typer.Option(metavar="BOOTSTRAP", help="host:port, …")] = None,
    topic: Annotated[
        str | None, typer.Option(metavar="TEMPLATE", help="{database}, {outbox}, {type} [default: {database}.{outbox}]")
    ] = None,
    name: Name = None,
    start: Annotated[
        str | None,
        typer.Option(help="Without a cursor: beginning, oldest, latest, a seq or a date [default: beginning]"),
    ] = None,
    create_topic: Annotated[str | None, typer.Option(metavar="partitions=3,replication=1")] = None,
    on_poison: Annotated[
        str | None,
        typer.Option(metavar="POLICY", help="On what cannot be delivered: stop, dead-letter, park-key [default: stop]"),
    ] = None,
    exactly_once: Annotated[
        bool,
        typer.Option("--exactly-once", help="In transactions: who reads committed sees each message once."),
    ] = False,
    shares: Annotated[
        int | None,
        typer.Option(help="At the first start: how many shares the keys are divided into [default: 1]"),
    ] = None,
    no_sequence: Annotated[
        bool, typer.Option("--no-sequence", help="Leave it to other processes to number what is in staging.")
    ] = False,
    once: Annotated[bool, typer.Option("--once", help="End when all that is committed is delivered.")] = False,
    set: Annotated[list[str] | None, typer.Option(metavar="KEY=VALUE", help="A setting of librdkafka's.")] = None,
    log_level: Annotated[
        str | None, typer.Option(metavar="LEVEL", help="debug, info, warning, error [default: info]")
    ] = None,
) -> None:
    """Relay until SIGTERM or Ctrl-C; a second Ctrl-C ends at once. Each flag is also RELAY_… in the environment."""
    flags = {"config": config, "mongo": mongo, "database": database, "outbox": outbox, "kafka": kafka, "topic": topic}
    flags |= {"name": name, "start": start, "create_topic": create_topic, "on_poison": on_poison}
    flags["log_level"] = log_level
    flags["shares"] = None if shares is None else str(shares)
    switches = {"exactly_once": exactly_once or None, "once": once or None, "sequence": False if no_sequence else None}
    with exit_codes():
        try:
            given = settings.load({**flags, **switches, "set": settings.pairs(set) if set else None})
        except ValueError as error:
            raise InvalidSettings(f"--set: {error}") from None
        stop = _stop_on_signals()
        _log_to_terminal(given.log_level)
        from relay.cli.launch import launch  # here, as it loads a Kafka client that `relay health` does without

        launch(given, stop)


@app.command(cls=Command)
def status(
    config: Config = None,
    mongo: Mongo = None,
    database: Database = None,
    outbox: OutboxName = None,
    name: Name = None,
    as_json: AsJson = False,
) -> None:
    """Show how far the relay is."""
    from relay.monitoring.status import relay_status

    with exit_codes(), outboxes(config, mongo, database, outbox, name) as opened:
        found = [relay_status(its, each.name) for each, its in opened]
        if as_json:
            for one in found:
                print(json.dumps(one.as_dict()))
        else:
            _print_table(found)


def _print_table(found: list[RelayStatus]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("")
    for each in found:
        table.add_column(f"{each.database}.{each.outbox}, relay {each.name}")
    rows = [_cells(each) for each in found]
    for row in rows[0]:
        table.add_row(row, *(cells[row] for cells in rows))
    Console().print(table)


def _cells(found: RelayStatus) -> dict[str, str]:
    """By the names that the JSON has."""
    from outbox.cli.terminal import headroom
    from outbox.monitoring.units import format_duration

    cells: dict[str, Any] = {**found.as_dict()}
    for name in ("database", "outbox", "name"):
        del cells[name]
    cells["shares"] = "\n".join(map(_share, found.shares))
    if found.cursor is not None:
        cells["cursor"] = "\n".join(f"{name} {each}" for name, each in found.cursor.items())
        cells["headroom"] = headroom(found.headroom, found.lag_records or 0)
    if found.held is not None:
        cells["held"] = f"{found.held['reader']}, for {format_duration(found.held['seconds'])}"
    return {name: "none" if value is None else str(value) for name, value in cells.items()}


def _share(share: ShareStatus) -> str:
    at = "no cursor" if share.cursor is None else f"seq {share.cursor['seq']}, {share.lag_records} to go"
    return f"{share.share}: {at}, {share.holder or 'nobody'}"


@app.command(cls=Command)
def health(
    config: Config = None,
    mongo: Mongo = None,
    database: Database = None,
    outbox: OutboxName = None,
    name: Name = None,
    self: Annotated[
        bool, typer.Option("--self", help="Whether the relay of this machine or container lives; asks no server.")
    ] = False,
) -> None:
    """Exit 0 when a relay, wherever it is, holds the lease and shows signs of life, else 1. Takes up to 10 s.

    With --self: when the relay with these settings in this container does, whether it works or stands by.
    """
    from relay.monitoring.status import unhealthy

    if self:
        _health_of_this_machine(config, mongo, database, outbox, name)
        return
    with exit_codes(), outboxes(config, mongo, database, outbox, name) as opened:
        for each, its in opened:
            why = unhealthy(its, each.name, SystemClock())
            if why is not None:
                print(f"{each.database}.{each.outbox}: {why}", file=sys.stderr)
                raise typer.Exit(1)
            print(f"{each.database}.{each.outbox}: relay {each.name!r} is at work")


def _health_of_this_machine(*flags: str | None) -> None:
    from relay.monitoring.alive import dead

    names = ("config", "mongo", "database", "outbox", "name")
    with exit_codes():
        for each in settings.load(dict(zip(names, flags, strict=True))).outboxes:
            why = dead(identity_of(each), SystemClock())
            if why is not None:
                print(f"{each.database}.{each.outbox}: {why}", file=sys.stderr)
                raise typer.Exit(1)
            print(f"{each.database}.{each.outbox}: relay {each.name!r} lives here")


def _stop_on_signals() -> threading.Event:
    stop = threading.Event()

    def on_signal(number: int, _: object) -> None:
        if stop.is_set():  # the second time: somebody does not want to wait for the draining
            os._exit(128 + number)
        stop.set()

    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, on_signal)
    return stop


def _log_to_terminal(level: str) -> None:
    handler: logging.Handler
    if sys.stderr.isatty():
        from rich.console import Console
        from rich.logging import RichHandler

        handler = RichHandler(console=Console(stderr=True), show_path=False)
    else:  # a file or a container's log: one line an event, whatever its length
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    for name in ("relay", "outbox"):
        logging.getLogger(name).addHandler(handler)
        logging.getLogger(name).setLevel(level.upper())
