"""Every command of `outbox` and `relay` that a page shows exists, with its flags and their values."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer

from outbox.cli.app import app as outbox
from relay.cli.app import app as relay
from tests.acceptance.pages import shell_lines
from tests.unit.project.test_pages import PAGES, name

COMMANDS = {program: typer.main.get_command(app) for program, app in (("outbox", outbox), ("relay", relay))}
INLINE = re.compile(r"`(?:\.venv/bin/)?((?:outbox|relay) [^`]+)`")
LEFT_OUT = "…"


def misread(line: str, shortened: bool = False) -> str | None:
    """What is wrong with a command; None when nothing is. shortened: it may lack what the command needs."""
    program, *arguments = shlex.split(line)
    try:
        return _misread(COMMANDS[program], program, arguments, shortened or LEFT_OUT in arguments)
    except Exception as error:
        if not hasattr(error, "format_message"):  # what typer tells a user; its classes are private
            raise
        if shortened and "requires an argument" in error.format_message():
            return None  # `--lease`, named in a sentence
        return f"{line}: {error.format_message()}"


def _misread(command: Any, path: str, arguments: list[str], shortened: bool) -> str | None:
    context = typer.Context(command, info_name=path)
    given, rest, _ = command.make_parser(context).parse_args(list(arguments))
    if hasattr(command, "commands"):
        if not rest or rest[0] == LEFT_OUT:
            return None
        name, child, rest = command.resolve_command(context, rest)
        return _misread(child, f"{path} {name}", rest, shortened)
    for parameter in command.params:
        value = given.get(parameter.name)
        if not shortened and (value is not None or parameter.required):
            parameter.process_value(context, value)
    too_many = [argument for argument in rest if argument != LEFT_OUT]
    return f"{path}: {' '.join(too_many)} is too much" if too_many else None


def mentions(text: str) -> list[str]:
    """The commands that sentences name; `list | show` are two, and so are `list|show`."""
    found = []
    for mention in INLINE.findall(text.replace("\\|", "|")):
        before, several, after = re.fullmatch(
            r"(.*?)(?:(?<= )([a-z]+(?: ?\| ?[a-z]+)+)(.*))?", " ".join(mention.split())
        ).groups()
        found += [f"{before}{each}{after}" for each in re.split(r" ?\| ?", several)] if several else [before]
    return found


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_what_a_page_shows_to_be_typed_can_be_typed(page: Path) -> None:
    assert [wrong for line in shell_lines(page) if (wrong := misread(line)) is not None] == []


def test_what_sentences_name_exists() -> None:
    named = [(name(page), line) for page in PAGES for line in mentions(page.read_text(encoding="utf-8"))]

    assert len(named) > 100
    assert [(page, wrong) for page, line in named if (wrong := misread(line, shortened=True)) is not None] == []


@pytest.mark.parametrize(
    "line",
    [
        "relay rum --once",
        "relay run --onze",
        "relay run --lease long",
        "relay cursor set 5 6",
        "outbox readers shop:orders rest relay:kafka",
        "outbox readers shop:orders reset relay:kafka",
        "outbox schema export shop:orders --as avro",
    ],
)
def test_what_is_wrong_is_found(line: str) -> None:
    assert misread(line) is not None


def test_commands_are_found_in_a_text(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "`relay\nrun`\n\n    A=b .venv/bin/relay run \\\n        --once   # now\n\n"
        "```sh\noutbox export shop:orders - | outbox import shop:copy - [--json]\n```\n",
        encoding="utf-8",
    )

    assert shell_lines(page) == ["relay run --once", "outbox export shop:orders -", "outbox import shop:copy - --json"]
    assert mentions("`outbox readers APP list | show`, `relay run`") == [
        "outbox readers APP list",
        "outbox readers APP show",
        "relay run",
    ]
