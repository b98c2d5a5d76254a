"""The commands `outbox schema …`: what messages look like, and what deploying their classes would change."""

from __future__ import annotations

import difflib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from outbox import errors
from outbox.cli.app_loader import load
from outbox.cli.application import OWN_CODES, App, full_name, opened
from outbox.cli.exit_codes import UNEXPECTED, exit_codes
from outbox.cli.options import AsJsonLines
from outbox.cli.schema.asyncapi import asyncapi
from outbox.mongo.server_errors import patiently
from outbox.staging.evolution import TypeChange, changes
from outbox.staging.published import published

PRINT = "print"


class _OrPrint(typer.core.TyperGroup):
    """`outbox schema APP` prints: what follows is an application wherever it is no command."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args and args[0] not in self.commands and not args[0].startswith("-"):
            args = [PRINT, *args]
        return super().resolve_command(ctx, args)

    def shell_complete(self, ctx: Any, incomplete: str) -> Any:
        of_print = self.commands[PRINT].params[0]
        return [*super().shell_complete(ctx, incomplete), *of_print.shell_complete(ctx, incomplete)]


schema = typer.Typer(
    cls=_OrPrint,
    no_args_is_help=True,
    help="Show what messages look like, and what a deploy would change.\n\n"
    "`outbox schema APP [TYPE]` is short for `outbox schema print APP [TYPE]`. APP is module:attribute.",
)
Type = Annotated[str | None, typer.Argument(metavar="TYPE", help="One type only.")]


@schema.command(PRINT)
def print_(app: App, type: Type = None) -> None:
    """Print the JSON Schema of messages, as Kafka has them.

    It comes from the message classes; no server is asked.
    """
    with exit_codes("outbox", OWN_CODES), load(app, Path.cwd()) as outbox:
        schemas = outbox.json_schemas()
        if type is not None and type not in schemas:
            close = difflib.get_close_matches(type, schemas, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"it has {', '.join(schemas) or 'none'}"
            raise errors.UnknownMessage(f"{app} has no message class for {type!r}; {hint}")
        _show(schemas if type is None else schemas[type])


@schema.command()
def export(
    app: App,
    form: Annotated[
        Literal["json-schema", "asyncapi"],
        typer.Option("--as", help="asyncapi is an AsyncAPI 3 document."),
    ] = "json-schema",
) -> None:
    """Print all message types as one document, for readers of Kafka.

    It comes from the message classes; no server is asked.
    """
    with exit_codes("outbox", OWN_CODES), load(app, Path.cwd()) as outbox:
        schemas = outbox.json_schemas()
        if form == "asyncapi":
            database, types = outbox.collections.database.name, outbox.message_types
            _show(asyncapi(database, outbox.name, schemas, types.versions))
        else:
            _show(schemas)


@schema.command()
def check(app: App, as_json: AsJsonLines = False) -> None:
    """Compare message classes with what is deployed.

    It says what would break, and changes nothing. Ends with 1 when create() would refuse a class, or older messages
    could not be read.
    """
    with opened(app) as outbox:
        found = patiently(lambda: changes(outbox.collections, outbox.message_types))
        for each in found:
            if as_json:
                print(json.dumps(asdict(each)))
            else:
                _print_change(each)
        if not found:
            print(f"{app} has no message classes")
        if any(each.problems for each in found):
            raise SystemExit(UNEXPECTED)


@schema.command("list")
def list_(app: App, as_json: AsJsonLines = False) -> None:
    """Show the versions of each message type that were ever deployed."""
    with opened(app) as outbox:
        found = patiently(lambda: list(published(outbox.collections)))
        for each in found:
            if as_json:
                print(json.dumps(each._asdict(), default=str))
            else:
                print(f"{each.type}  version {each.version}  since {each.created:%Y-%m-%d}", end="")
                print(f", widened {each.changed:%Y-%m-%d}" if each.changed != each.created else "")
        if not found and not as_json:
            print(f"nothing is deployed to {full_name(outbox)} yet: run `outbox create {app}`")


_SAID = {
    "new": "new: nothing of it is deployed",
    "same": "as deployed",
    "wider": "wider: create() widens the server's schema; who reads by the older one may meet what it does not know",
    "narrower": "narrower: the server goes on taking what the deployed one takes, also what this class cannot read",
    "breaking": "breaks what is deployed",
    "new version": "a new version: the server takes the older ones as well",
}


def _print_change(change: TypeChange) -> None:
    version = "" if change.version == 1 else f" (version {change.version})"
    print(f"{change.type}{version}: {_SAID[change.change]}")
    for said, reasons in (
        ("refused by what is deployed", change.refused_by_deployed),
        ("refused by this class", change.refused_by_declared),
    ):
        for reason in reasons:
            print(f"  {said}: {reason}")
    for problem in change.problems:
        print(f"  PROBLEM {problem}")


def _show(document: Any) -> None:
    from rich.console import Console

    Console().print_json(data=document, ensure_ascii=True)
