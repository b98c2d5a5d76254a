"""The rules of this house that no linter knows."""

from __future__ import annotations

from pathlib import Path

import pytest

import outbox
import relay

TESTS = Path(__file__).parents[2]
SOURCES = sorted(file for package in (outbox, relay) for file in Path(package.__path__[0]).rglob("*.py"))
WAITING = TESTS / "waiting.py"


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: f"{source.parent.name}/{source.name}")
def test_a_source_file_has_at_most_300_lines(source: Path) -> None:
    assert len(source.read_text().splitlines()) <= 300


def test_only_the_waiting_sleeps() -> None:
    sleep = "time." + "sleep"
    sleepers = [file for file in TESTS.rglob("*.py") if sleep in file.read_text()]

    assert sleepers == [WAITING]


def test_the_packages_are_typed() -> None:
    for package in (outbox, relay):
        assert Path(package.__path__[0], "py.typed").exists()
