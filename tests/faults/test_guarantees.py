"""The table of faults in docs/guarantees.md and the tests of faults and of load are about the same things."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROW = re.compile(r"^\| (?P<fault>[^|]+) \| (?P<promise>[^|]+) \| (?P<tests>`tests/[^|]+) \|$", re.MULTILINE)
TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
ROWS = [match.groupdict() for match in ROW.finditer((ROOT / "docs" / "guarantees.md").read_text())]
FILES = sorted(
    file for part in ("faults", "load") for file in (ROOT / "tests" / part).glob("test_*.py") if file != Path(__file__)
)


def names_in(file: Path) -> list[str]:
    """The names of a file's tests, in order."""
    nodes = ast.parse(file.read_text()).body
    return [node.name for node in nodes if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["fault"])
def test_each_fault_in_the_table_is_shown_by_tests_that_exist(row: dict[str, str]) -> None:
    named = TEST.findall(row["tests"])

    assert named
    assert [f"{file}::{name}" for file, name in named if name not in names_in(ROOT / file)] == []


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_each_test_of_a_fault_or_of_load_stands_in_the_table(file: Path) -> None:
    named = {name for row in ROWS for path, name in TEST.findall(row["tests"]) if ROOT / path == file}

    assert set(names_in(file)) == named
