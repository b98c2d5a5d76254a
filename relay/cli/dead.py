"""The commands `relay dead …`: list, show, requeue and discard dead letters."""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer

from outbox.acts.operator import Operator
from outbox.cli.acts import NeededReason, Reason, this_person
from outbox.cli.dead import All, Id, Key, OptionalId, Type, print_letter, print_letters, selection
from outbox.cli.options import AsJson, AsJsonLines
from outbox.cli.shell.command import Command
from outbox.dead_letters import document
from outbox.dead_letters.admin import DeadLetterAdmin, Selection
from outbox.location import message_id
from outbox.log.reader_id import relay_id
from relay.cli.exit_codes import exit_codes
from relay.cli.options import Config, Database, Mongo, Name, OutboxName, only, outboxes

dead = typer.Typer(help="Show dead letters, have them sent again, or give them up.", no_args_is_help=True)


@dead.command("list", cls=Command)
def list_(
    config: Config = None,
    mongo: Mongo = None,
    database: Database = None,
    outbox_name: OutboxName = None,
    name: Name = None,
    key: Key = None,
    type: Type = None,
    as_json: AsJsonLines = False,
) -> None:
    """List the relay's dead and parked messages.

    Also what the log itself refused (reader `sequencer`).
    """
    with exit_codes(), outboxes(config, mongo, database, outbox_name, name) as opened:
        for settings, outbox in opened:
            selected = DeadLetterAdmin(outbox.collections, relay_id(settings.name)).letters(
                Selection(key=key, type=type)
            )
            letters = map(document.as_json, selected)
            if as_json:
                for letter in letters:
                    print(json.dumps(letter))
            else:
                print_letters(f"{settings.full_name}, relay {settings.name}", list(letters))


@dead.command(cls=Command)
def show(
    id: Id,
    config: Config = None,
    mongo: Mongo = None,
    database: Database = None,
    outbox_name: OutboxName = None,
    name: Name = None,
    as_json: AsJson = False,
) -> None:
    """Show one letter whole, as JSON.

    Its data is MongoDB's relaxed Extended JSON. With --json it stands on one line.
    """
    with exit_codes(), outboxes(config, mongo, database, outbox_name, name) as opened:
        settings, outbox = only(opened)
        letter = DeadLetterAdmin(outbox.collections, relay_id(settings.name)).letter(message_id(id))
        if letter is None:
            print(f"{settings.full_name}: no dead letter {id} of relay {settings.name!r}", file=sys.stderr)
            raise typer.Exit(1)
        print_letter(letter, on_one_line=as_json)


@dead.command(cls=Command)
def requeue(
    id: OptionalId = None,
    config: Config = None,
    mongo: Mongo = None,
    database: Database = None,
    outbox_name: OutboxName = None,
    name: Name = None,
    key: Key = None,
    type: Type = None,
    all: All = False,
    reason: Reason = None,
) -> None:
    """Have letters sent again by the relay.

    A parked key as a whole, in its order. Ends with 1 when one cannot be.
    """
    with exit_codes(), outboxes(config, mongo, database, outbox_name, name) as opened:
        wanted = selection(id, key, type, all)
        settings, outbox = only(opened)
        requeued = Operator(outbox.collections, relay_id(settings.name), this_person()).requeue(wanted, reason)
        print(f"{settings.full_name}, relay {settings.name!r}: {requeued.letters} message(s) will be sent again")
        for refused, why in requeued.refused:
            print(f"{refused}: {why}", file=sys.stderr)
        if requeued.refused:
            raise typer.Exit(1)


@dead.command(cls=Command)
def discard(
    reason: NeededReason,
    id: OptionalId = None,
    config: Config = None,
    mongo: Mongo = None,
    database: Database = None,
    outbox_name: OutboxName = None,
    name: Name = None,
    key: Key = None,
    type: Type = None,
    all: All = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Delete letters for good. What is parked behind a discarded one is sent, in its order."""
    with exit_codes(), outboxes(config, mongo, database, outbox_name, name) as opened:
        wanted = selection(id, key, type, all)
        settings, outbox = only(opened)
        admin = DeadLetterAdmin(outbox.collections, relay_id(settings.name))
        if not yes:
            count = sum(1 for _ in admin.letters(wanted))
            typer.confirm(f"{settings.full_name}: delete {count} message(s) for good?", abort=True)
        discarded = Operator(outbox.collections, relay_id(settings.name), this_person()).discard(wanted, reason)
        print(f"{settings.full_name}, relay {settings.name!r}: {discarded} message(s) discarded")
