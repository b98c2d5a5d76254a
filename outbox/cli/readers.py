"""The commands `outbox readers APP …`: show, move, remove and pause any durable reader of an outbox."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from outbox import errors, reader_status
from outbox.acts.operator import Operator
from outbox.arguments import MOST_SHARES
from outbox.cli.acts import Reason, this_person
from outbox.cli.application import App, full_name, opened
from outbox.cli.options import AsJson, AsJsonLines
from outbox.cli.shell.completion import one_of
from outbox.clock import SystemClock
from outbox.log.reader_id import check_id, described
from outbox.mongo.server_errors import patiently
from outbox.outbox import Outbox
from outbox.reader_status import ReaderStatus
from outbox.readers.start import WORDS
from outbox.readers.start import read as read_start
from outbox.shares import cursor_admin
from outbox.shares.layout import load, set_shares

if TYPE_CHECKING:
    from rich.text import Text

readers = typer.Typer(no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="NAME", help="The reader's id, such as relay:kafka.")]


@readers.callback()
def of(context: typer.Context, app: App) -> None:
    """Show, move, remove and pause durable readers, such as relays."""
    context.obj = app


@readers.command("list")
def list_(context: typer.Context, as_json: AsJsonLines = False) -> None:
    """Show every reader: how far it is, and who works for it."""
    with opened(context.obj) as outbox:
        found = outbox.readers()
        if as_json:
            for each in found:
                print(json.dumps(asdict(each)))
        elif found:
            _print_all(found)
        else:
            print("no durable reader, such as a relay, has started yet")


@readers.command()
def show(context: typer.Context, name: Name, as_json: AsJson = False) -> None:
    """Show one reader, and each of its shares."""
    with opened(context.obj) as outbox:
        found = _reader(outbox, name)
        if as_json:
            print(json.dumps(asdict(found)))
        else:
            _print_one(found)


@readers.command()
def reset(
    context: typer.Context,
    name: Name,
    to: Annotated[
        str,
        typer.Option(
            metavar="WHERE",
            help="The seq delivered last, the date to go on from, earliest or latest.",
            autocompletion=one_of(*WORDS),
        ),
    ],
) -> None:
    """Move a reader's position, while nobody works for it.

    What comes after it is delivered, again or for the first time.
    """
    with opened(context.obj) as outbox:
        target = _target(to)
        check_id(name)
        before, now = cursor_admin.move(outbox.collections, name, target, SystemClock())
        was = "had no cursor" if before is None else f"was seq {before[0]}"
        print(f"{full_name(outbox)}, {described(name)}: {was}, now {now[0]}; seq {now[0] + 1} comes next")


def _target(to: str) -> Literal["earliest", "latest"] | int | datetime:
    try:
        return read_start(to, WORDS)
    except ValueError:
        raise errors.InvalidStart(
            f"--to {to!r} is none of: a seq, a date such as 2025-01-31T12:00Z, earliest, latest"
        ) from None


@readers.command()
def forget(context: typer.Context, name: Name) -> None:
    """Remove a reader's cursor, while nobody works for it.

    Then it holds the sequencer back no more.
    """
    with opened(context.obj) as outbox:
        if not cursor_admin.forget(outbox.collections, name, SystemClock()):
            raise patiently(lambda: reader_status.unknown(outbox.collections, name))
        print(f"{full_name(outbox)}: the cursor of {described(name)} is forgotten")


@readers.command()
def pause(context: typer.Context, name: Name, reason: Reason = None) -> None:
    """Stop what a reader does, until it is resumed.

    Who works for it keeps its lease, and the log is held all the same.
    """
    with opened(context.obj) as outbox:
        Operator(outbox.collections, name, this_person()).pause(reason)
        print(f"{full_name(outbox)}, {described(name)}: paused; it holds the log all the same, until it is resumed")


@readers.command()
def resume(context: typer.Context, name: Name, reason: Reason = None) -> None:
    """Let a reader go on that is paused."""
    with opened(context.obj) as outbox:
        Operator(outbox.collections, name, this_person()).resume(reason)
        print(f"{full_name(outbox)}, {described(name)}: not paused")


@readers.command()
def shares(
    context: typer.Context,
    name: Name,
    number: Annotated[
        int | None,
        typer.Argument(
            metavar="NUMBER", min=1, max=MOST_SHARES, help="How many there shall be; without, show how many."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show or change into how many shares a reader's keys are divided.

    Who works for it carries it out within some seconds, else the first one to start does.
    """
    with opened(context.obj) as outbox:
        check_id(name)
        if number is None:
            layout = patiently(partial(load, outbox.collections, name))
            there_are, wanted = layout.shares, layout.wanted
        else:
            there_are = patiently(partial(set_shares, outbox.collections, name, number))
            wanted = None if number == there_are else number
        if there_are is None:
            raise patiently(lambda: reader_status.unknown(outbox.collections, name))
        if as_json:
            print(json.dumps({"shares": there_are, "wanted": wanted}))
            return
        to_be = "" if wanted is None else f", to be {wanted}"
        print(f"{full_name(outbox)}, {described(name)}: {there_are} share(s){to_be}")


def _reader(outbox: Outbox, name: str) -> ReaderStatus:
    return patiently(lambda: reader_status.reader(outbox.collections, name))


def _print_all(found: list[ReaderStatus]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for title in ("reader", "seq", "behind", "shares", "dead", "parked", "paused", "holder"):
        table.add_column(title, justify="left" if title in ("reader", "paused", "holder") else "right", overflow="fold")
    for each in found:
        counts = (each.position, each.lag, each.shares, each.dead_letters, each.parked)
        table.add_row(each.id, *map(_number, counts), _yes(each.paused), _holder(each))
    Console().print(table)


def _print_one(reader: ReaderStatus) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, show_header=False, pad_edge=False)
    facts = {"seq": reader.position, "head": reader.head, "behind": reader.lag, "shares": reader.shares}
    for name, value in facts.items():
        table.add_row(name, _number(value))
    table.add_row("paused", _yes(reader.paused))
    table.add_row("dead letters", f"{reader.dead_letters:,} dead, {reader.parked:,} parked")
    for share in reader.of_shares if reader.shares > 1 else ():
        at = f"seq {_number(share.position)}, {_number(share.lag)} behind, {share.holder or 'nobody'}"
        table.add_row(f"share {share.share}", at)
    table.add_row("holder", _holder(reader))
    console = Console()
    console.print(Text(reader.id, style="bold"))
    console.print(table)


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _number(value: int | None) -> str:
    return "none" if value is None else f"{value:,}"


def _holder(reader: ReaderStatus) -> Text:
    """Who works for it; and, where that is so, what is wrong with it."""
    from rich.text import Text

    text = Text(reader.holder or "nobody")
    if reader.fault is not None:
        text.append(f"\n{reader.fault}", style="bold red")
    return text
