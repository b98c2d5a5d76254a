"""The tables of flags and of fields have all that there is, and nothing else."""

from __future__ import annotations

import dataclasses
import re

import pytest

from outbox.reader_status import ReaderStatus
from relay.monitoring.status import RelayStatus
from tests.acceptance.pages import ROOT
from tests.unit.project.test_page_commands import COMMANDS


def first_cells(page: str, heading: str = "") -> str:
    """What stands in the first column of the tables of a page, or of one section of it."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    section = text.partition(f"# {heading}\n")[2].partition("\n#")[0] if heading else text
    return "\n".join(re.findall(r"(?m)^\| ((?:[^|\\]|\\.)*) \|", section))


@pytest.mark.parametrize(
    ("program", "name", "pages"),
    [("relay", "run", ["relay.md", "encodings.md"]), ("relay", "replay", ["replay.md"])],
)
def test_a_table_of_flags_has_each_flag_of_its_command(program: str, name: str, pages: list[str]) -> None:
    command = getattr(COMMANDS[program], "commands")[name]  # noqa: B009  # typer's classes are private
    flags = {flag for each in command.params for flag in (*each.opts, *each.secondary_opts) if flag.startswith("--")}
    told = {flag for page in pages for flag in re.findall(r"`(--[\w-]+)", first_cells(page))}

    assert told == flags - {"--help"}


@pytest.mark.parametrize(
    ("kind", "page", "heading"),
    [
        (RelayStatus, "relay.md", "What `relay status` shows"),
        (ReaderStatus, "readers.md", "In a program"),
    ],
)
def test_a_table_of_fields_has_each_field(kind: type, page: str, heading: str) -> None:
    told = re.findall(r"`(\w+)`", first_cells(page, heading))

    assert sorted(told) == sorted(field.name for field in dataclasses.fields(kind))


def test_the_table_of_commands_has_each_command() -> None:
    told = set(re.findall(r"[a-z]+", first_cells("operating.md", "Commands")))

    assert {name for each in COMMANDS.values() for name in getattr(each, "commands")} - told == set()  # noqa: B009
