"""docs/reference/commands.md beside what the commands say of themselves."""

from __future__ import annotations

import functools
import importlib.metadata
import re
from pathlib import Path
from typing import Any

import pytest
import typer

from outbox.cli.app import app as outbox
from relay.cli.app import app as relay
from tests.help_pages import PAGE, page

LOCKED = re.search(r"(?m)^typer==(.*)$", (Path(__file__).parents[3] / "constraints.txt").read_text())


def test_the_page_has_the_help_of_every_command() -> None:
    if LOCKED is None or importlib.metadata.version("typer") != LOCKED[1]:
        pytest.skip("another typer than the one of constraints.txt may lay a text out in another way")

    assert PAGE.read_text(encoding="utf-8") == page(), "a help text has changed: python -m tests.help_pages"


@functools.cache
def options() -> dict[str, set[tuple[str, str]]]:
    """Of each option's name, how it is written and explained, wherever it is."""
    found: dict[str, set[tuple[str, str]]] = {}
    commands: list[Any] = [typer.main.get_command(app) for app in (outbox, relay)]
    for command in commands:  # which grows
        commands += getattr(command, "commands", {}).values()
        for each in command.params:
            for name in each.opts if each.param_type_name == "option" else ():
                found.setdefault(name, set()).add((each.metavar or "", each.help or ""))
    return found


@pytest.mark.parametrize(
    "name",
    [
        "--archive-name", "--config", "--create-topic", "--database", "--encoding", "--key-from", "--log-level",
        "--mongo", "--outbox", "--reader", "--set", "--subject", "--timestamp",
    ],
)  # fmt: skip
def test_the_same_option_is_explained_in_the_same_words(name: str) -> None:
    explained = options()[name] - {("URI", "Use this replica set, instead of an embedded MongoDB.")}  # of the demo

    assert len(explained) == 1


def test_every_option_says_what_it_does_and_what_it_takes() -> None:
    silent = {name for name, written in options().items() if any(not said for _, said in written)}

    assert silent == set()
    assert all(said.startswith("Print") for _, said in options()["--json"])
