"""The commands `outbox dead APP …`: list, show, requeue and discard the dead letters of any durable reader."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer
from bson import ObjectId

from outbox.acts.operator import Operator
from outbox.cli.acts import NeededReason, Reason, this_person
from outbox.cli.application import App, full_name, opened
from outbox.cli.options import AsJson, AsJsonLines
from outbox.cli.terminal import visible
from outbox.dead_letters import document
from outbox.dead_letters.admin import DeadLetterAdmin, Selection
from outbox.errors import InvalidSelector
from outbox.location import message_id
from outbox.log.reader_id import check_id, described
from outbox.outbox import Outbox

dead = typer.Typer(no_args_is_help=True)

Reader = Annotated[str, typer.Option("--reader", metavar="NAME", help="The reader's id, such as consumer:billing.")]
Id = Annotated[str, typer.Argument(metavar="ID", help="The message id, 24 hex digits.")]
OptionalId = Annotated[str | None, typer.Argument(metavar="ID", help="The message id, 24 hex digits.")]
Key = Annotated[str | None, typer.Option(metavar="KEY", help="All of this key.")]
Type = Annotated[str | None, typer.Option(metavar="TYPE", help="All of this message type.")]
All = Annotated[bool, typer.Option("--all", help="All there are.")]


@dead.callback()
def of(context: typer.Context, app: App) -> None:
    """Show dead letters, have them handled again, or give them up."""
    context.obj = app


@dead.command("list")
def list_(
    context: typer.Context,
    reader: Reader,
    key: Key = None,
    type: Type = None,
    as_json: AsJsonLines = False,
) -> None:
    """List a reader's dead and parked messages.

    Also what the log itself refused (reader `sequencer`).
    """
    with opened(context.obj) as outbox:
        letters = map(document.as_json, _admin(outbox, reader).letters(Selection(key=key, type=type)))
        if as_json:
            for letter in letters:
                print(json.dumps(letter))
        else:
            print_letters(f"{full_name(outbox)}, {described(reader)}", list(letters))


def print_letters(title: str, letters: Sequence[dict[str, Any]]) -> None:
    """Prints letters, as `document.as_json` makes them, as a table."""
    if not letters:
        print(f"{title}: no dead letters")
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, title=title, title_justify="left")
    table.add_column("id", no_wrap=True)  # to be copied into the next command
    for name in ("seq", "state", "type", "key", "attempts", "reason"):
        table.add_column(name, overflow="fold")
    for letter in letters:
        state = f"{letter['state']}, requeued" if letter.get("requeued") else letter["state"]
        reason = letter["error"]["reason"]
        cells = (letter["id"], letter["seq"], state, letter["type"], letter["key"], letter["attempts"], reason)
        table.add_row(*("" if cell is None else visible(str(cell)) for cell in cells))
    Console().print(table, markup=False)


@dead.command()
def show(context: typer.Context, id: Id, reader: Reader, as_json: AsJson = False) -> None:
    """Show one letter whole, as JSON.

    Its data is MongoDB's relaxed Extended JSON. With --json it stands on one line.
    """
    with opened(context.obj) as outbox:
        letter = _admin(outbox, reader).letter(message_id(id))
        if letter is None:
            print(f"{full_name(outbox)}: no dead letter {id} of {described(reader)}", file=sys.stderr)
            raise typer.Exit(1)
        print_letter(letter, on_one_line=as_json)


def print_letter(letter: dict[str, Any], *, on_one_line: bool) -> None:
    """Prints one letter whole."""
    # On a terminal that cannot show all characters, JSON's own escapes.
    plain = not sys.stdout.encoding.lower().startswith("utf")
    print(json.dumps(document.as_json(letter), indent=None if on_one_line else 2, ensure_ascii=plain))


@dead.command()
def requeue(
    context: typer.Context,
    reader: Reader,
    id: OptionalId = None,
    key: Key = None,
    type: Type = None,
    all: All = False,
    reason: Reason = None,
) -> None:
    """Have letters handled again by their reader.

    A parked key as a whole, in its order. Ends with 1 when one cannot be.
    """
    with opened(context.obj) as outbox:
        requeued = _operator(outbox, reader).requeue(selection(id, key, type, all), reason)
        print(f"{full_name(outbox)}, {described(reader)}: {requeued.letters} message(s) will be handled again")
        for refused, why in requeued.refused:
            print(f"{refused}: {why}", file=sys.stderr)
        if requeued.refused:
            raise typer.Exit(1)


@dead.command()
def discard(
    context: typer.Context,
    reader: Reader,
    reason: NeededReason,
    id: OptionalId = None,
    key: Key = None,
    type: Type = None,
    all: All = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Delete letters for good. What is parked behind a discarded one is handled, in its order."""
    with opened(context.obj) as outbox:
        admin, wanted = _admin(outbox, reader), selection(id, key, type, all)
        if not yes:
            count = sum(1 for _ in admin.letters(wanted))
            typer.confirm(f"{full_name(outbox)}: delete {count} message(s) for good?", abort=True)
        discarded = _operator(outbox, reader).discard(wanted, reason)
        print(f"{full_name(outbox)}, {described(reader)}: {discarded} message(s) discarded")


def _admin(outbox: Outbox, reader: str) -> DeadLetterAdmin:
    check_id(reader)
    return DeadLetterAdmin(outbox.collections, reader)


def _operator(outbox: Outbox, reader: str) -> Operator:
    return Operator(outbox.collections, reader, this_person())


def selection(id: str | None, key: str | None, type: str | None, all: bool) -> Selection:
    """Makes the selection of a command that acts on letters: it must say which. Raises InvalidSelector."""
    if all == any(given is not None for given in (id, key, type)):
        raise InvalidSelector("say which letters: an ID, --key, --type, or --all")
    return Selection(ObjectId(message_id(id)) if id is not None else None, key, type)
