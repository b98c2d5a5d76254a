"""The options that every command looking at outboxes has, and the outboxes that they name."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Annotated, Any

import typer

from outbox import Outbox
from relay.cli import settings
from relay.connection import Opened, opened_outboxes
from relay.errors import InvalidSettings

Config = Annotated[str | None, typer.Option(metavar="FILE", help="TOML: settings, [kafka], [[outbox]].")]
Mongo = Annotated[str | None, typer.Option(metavar="URI", help="Better RELAY_MONGO, when it has a password.")]
Database = Annotated[str | None, typer.Option(metavar="DB")]
OutboxName = Annotated[str | None, typer.Option("--outbox", metavar="NAME", help="The outbox [default: outbox]")]
Name = Annotated[str | None, typer.Option(help="The relay's name: cursor and lease [default: kafka]")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object a line, for each outbox.")]


@contextlib.contextmanager
def outboxes(
    config: str | None, mongo: str | None, database: str | None, outbox: str | None, name: str | None
) -> Iterator[Opened]:
    """The outboxes that the flags of a looking command name; it never sequences."""
    flags: dict[str, Any] = {"config": config, "mongo": mongo, "database": database, "outbox": outbox, "name": name}
    with contextlib.ExitStack() as stack:
        yield opened_outboxes(settings.load(flags), stack)


def only(opened: Opened) -> tuple[settings.OutboxSettings, Outbox]:
    """The one outbox that a changing command works on. Raises InvalidSettings when several are named."""
    if len(opened) > 1:
        raise InvalidSettings("the file has several outboxes: choose one with --outbox")
    return opened[0]
