"""Writes every `--help` into docs/reference/commands.md: `python -m tests.help_pages`, after a change of one."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from outbox.cli.app import app as outbox
from relay.cli.app import app as relay

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "commands.md"
WIDTH = 100
BEGIN = "<!-- Below: written by `python -m tests.help_pages`. -->\n"


def page() -> str:
    """Returns the page with what the commands say of themselves now."""
    written = PAGE.read_text(encoding="utf-8").partition(BEGIN)[0] + BEGIN
    for name, app in (("outbox", outbox), ("relay", relay)):
        command = typer.main.get_command(app)
        for path in paths(command):
            written += f"\n### `{' '.join((name, *path))}`\n\n```text\n{help_of(command, name, path)}```\n"
    return written


def paths(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yields the words of a command and of all below it; of a group that takes APP, with APP."""
    yield path
    takes = tuple(each.metavar for each in command.params if each.param_type_name == "argument")
    for name, child in getattr(command, "commands", {}).items():
        yield from paths(child, (*path, *takes, name))


def help_of(command: Any, name: str, path: tuple[str, ...]) -> str:
    """Returns what `--help` prints, in a terminal of this width."""
    shown = io.StringIO()
    with contextlib.redirect_stdout(shown):
        command.main([*path, "--help"], prog_name=name, standalone_mode=False, terminal_width=WIDTH)
    return shown.getvalue()


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
