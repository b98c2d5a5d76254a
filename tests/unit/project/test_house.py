"""The rules of this house that no linter knows."""

from __future__ import annotations

import ast
from pathlib import Path

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


def test_no_source_file_has_over_300_lines() -> None:
    assert [name(source) for source in SOURCES if lines(source) > 300] == []


def test_no_test_file_has_over_350_lines() -> None:
    assert [str(file.relative_to(TESTS)) for file in TEST_FILES if lines(file) > 350] == []


def test_no_room_has_over_13_modules() -> None:
    modules = {name(room): [file for file in room.glob("*.py") if file.name != "__init__.py"] for room in ROOMS}

    assert {room: len(found) for room, found in modules.items() if len(found) > 13} == {}


def test_each_room_says_in_a_sentence_what_it_is() -> None:
    said = {room: ast.get_docstring(ast.parse((room / "__init__.py").read_text(encoding="utf-8"))) for room in ROOMS}

    assert [name(room) for room, words in said.items() if not (words or "").partition("\n")[0].endswith(".")] == []


def has_its_test(source: Path) -> bool:
    room = Path(name(source)).parent
    places = [TESTS / "unit" / room, TESTS / "integration" / room, TESTS / "contract"]
    return any(file for place in places for file in place.glob(f"test_{source.stem}*.py"))


def test_each_module_over_40_lines_has_its_test_file_in_the_mirrored_place() -> None:
    modules = [file for file in SOURCES if lines(file) > 40 and file.stem[:2] != "__"]

    assert [name(each) for each in modules if not has_its_test(each)] == []


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
