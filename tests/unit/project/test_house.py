"""The rules of this house that no linter knows."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import outbox
import relay

TESTS = Path(__file__).parents[2]
PACKAGES = [Path(package.__path__[0]) for package in (outbox, relay)]
SOURCES = sorted(file for package in PACKAGES for file in package.rglob("*.py"))
ROOMS = sorted({file.parent for file in SOURCES})
TEST_FILES = sorted(TESTS.rglob("*.py"))
WAITING = TESTS / "waiting.py"
NO_NAMES = {"utils", "util", "helpers", "common", "core", "managers", "misc"}


def name(path: Path) -> str:
    """A source's or a room's place, from its package on."""
    package = next(package for package in PACKAGES if path.is_relative_to(package))
    return path.relative_to(package.parent).as_posix()


def lines(file: Path) -> int:
    return len(file.read_text(encoding="utf-8").splitlines())


@pytest.mark.parametrize("source", SOURCES, ids=name)
def test_a_source_file_has_at_most_300_lines(source: Path) -> None:
    assert lines(source) <= 300


@pytest.mark.parametrize("file", TEST_FILES, ids=lambda file: file.relative_to(TESTS).as_posix())
def test_a_test_file_has_at_most_350_lines(file: Path) -> None:
    assert lines(file) <= 350


@pytest.mark.parametrize("room", ROOMS, ids=name)
def test_a_room_has_at_most_13_modules_and_says_in_a_sentence_what_it_is(room: Path) -> None:
    modules = [file for file in room.glob("*.py") if file.name != "__init__.py"]
    said = ast.get_docstring(ast.parse((room / "__init__.py").read_text(encoding="utf-8"))) or ""

    assert len(modules) <= 13
    assert said.partition("\n")[0].endswith(".")


@pytest.mark.parametrize("source", [file for file in SOURCES if lines(file) > 40 and file.stem[:2] != "__"], ids=name)
def test_a_module_over_40_lines_has_its_test_file_in_the_mirrored_place(source: Path) -> None:
    room = Path(name(source)).parent
    places = [TESTS / "unit" / room, TESTS / "integration" / room, TESTS / "contract"]

    assert [file for place in places for file in place.glob(f"test_{source.stem}*.py")]


def test_no_room_is_a_drawer() -> None:
    assert [name(path) for path in [*ROOMS, *SOURCES] if path.stem in NO_NAMES] == []


def test_only_the_waiting_sleeps() -> None:
    sleep = "time." + "sleep"
    sleepers = [file for file in TEST_FILES if sleep in file.read_text()]

    assert sleepers == [WAITING]


def test_the_packages_are_typed() -> None:
    for package in PACKAGES:
        assert (package / "py.typed").exists()


def test_a_script_that_tests_start_imports_nothing_of_the_tests_for_it_is_not_started_in_their_folder() -> None:
    scripts = [file for file in TESTS.rglob("processes/*.py") if '__name__ == "__main__"' in file.read_text()]

    assert len(scripts) > 5
    assert [file.name for file in scripts if "\nfrom tests" in file.read_text()] == []
