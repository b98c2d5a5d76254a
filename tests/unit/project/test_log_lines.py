"""The log lines of the project, beside what they say of themselves."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import outbox
import relay

PACKAGES = [Path(package.__path__[0]) for package in (outbox, relay)]
SOURCES = sorted(file for package in PACKAGES for file in package.rglob("*.py"))
LEVELS = {"debug", "info", "warning", "error", "exception", "log"}


def lines(source: Path) -> Iterator[ast.Call]:
    """The calls of a module's logger."""
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in LEVELS:
            yield from [node] if ast.unparse(node.func.value) == "logger" else []


def test_a_line_that_names_a_collection_says_in_a_field_whose_it_is() -> None:
    """For whoever looks in JSON lines for one outbox."""
    named = [(file, each) for file in SOURCES for each in lines(file) if "full_name" in ast.unparse(each)]

    without = [(file, each) for file, each in named if "extra" not in {word.arg for word in each.keywords}]

    assert named
    assert [f"{file}:{each.lineno}" for file, each in without] == []
