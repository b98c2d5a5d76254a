"""Writes down all commands, from the definitions by which they are parsed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import typer

from outbox.cli.app import app as outbox
from relay.cli.app import app as relay


def command_reference() -> str:
    """Returns a section for each of the two programs, with one for each of their commands."""
    parts = [""]
    for name, app in (("outbox", outbox), ("relay", relay)):
        parts += _sections(typer.main.get_command(app), name, 2)
    return "\n".join(parts)


def _sections(command: Any, name: str, level: int) -> Iterator[str]:
    yield f"{'#' * level} {name}\n\n{_prose(command.help or '')}\n"
    context = typer.Context(command, info_name=name)
    if not hasattr(command, "commands"):
        yield f"```text\n{name} {' '.join(command.collect_usage_pieces(context))}\n```\n"
        records = [parameter.get_help_record(context) for parameter in command.params]
        rows = [f"| `{_cell(record[0])}` | {_cell(_prose(record[1]))} |" for record in records if record is not None]
        if rows:
            yield "\n".join(["| | |", "|---|---|", *rows, ""])
        return
    for child, subcommand in sorted(command.commands.items()):
        yield from _sections(subcommand, f"{name} {child}", min(level + 1, 4))


def _prose(text: str) -> str:
    """The text with what Markdown would take for its own marked as what it is."""
    for mark in "\\<>*_{}[]":
        text = text.replace(mark, f"\\{mark}")
    return text


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
