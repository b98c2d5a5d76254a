"""Each mutation of tests/mutation/mutations.toml still fits the code, and docs/guarantees.md has it in its table."""

from __future__ import annotations

import ast
import functools
import re
from pathlib import Path

import outbox
from tests.mutation.mutations import Mutation, mutations

ROOT = Path(__file__).parents[3]
PACKAGES = Path(outbox.__path__[0]).parent  # where they are installed
ROW = re.compile(r"^\| (?P<guard>[^|]+) \| `(?P<test>tests/[^|`]+)` \|$", re.MULTILINE)


def fits(mutation: Mutation) -> bool:
    return (PACKAGES / mutation.file).read_text().count(mutation.old) == 1


@functools.cache
def functions(file: str) -> list[str]:
    return [node.name for node in ast.parse((ROOT / file).read_text()).body if isinstance(node, ast.FunctionDef)]


def test_what_each_takes_out_is_there_once() -> None:
    assert [each.guard for each in mutations() if not fits(each)] == []


def test_the_test_of_each_exists() -> None:
    tests = [each.test.split("::") for each in mutations()]

    assert [f"{file}::{name}" for file, name in tests if name not in functions(file)] == []


def test_the_table_in_the_guarantees_has_the_same_ones() -> None:
    rows = ROW.findall((ROOT / "docs" / "guarantees.md").read_text())

    assert rows == [(mutation.guard, mutation.test) for mutation in mutations()]
