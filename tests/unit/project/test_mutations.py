"""Each mutation of tests/mutation/mutations.toml still fits the code, and docs/guarantees.md has it in its table."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import outbox
from tests.mutation.mutations import Mutation, mutations

ROOT = Path(__file__).parents[3]
PACKAGES = Path(outbox.__path__[0]).parent  # where they are installed
ROW = re.compile(r"^\| (?P<guard>[^|]+) \| `(?P<test>tests/[^|`]+)` \|$", re.MULTILINE)


@pytest.mark.parametrize("mutation", mutations(), ids=lambda mutation: mutation.guard)
def test_what_it_takes_out_is_there_once_and_its_test_exists(mutation: Mutation) -> None:
    file, name = mutation.test.split("::")

    tests = [node.name for node in ast.parse((ROOT / file).read_text()).body if isinstance(node, ast.FunctionDef)]
    assert (PACKAGES / mutation.file).read_text().count(mutation.old) == 1
    assert name in tests


def test_the_table_in_the_guarantees_has_the_same_ones() -> None:
    rows = ROW.findall((ROOT / "docs" / "guarantees.md").read_text())

    assert rows == [(mutation.guard, mutation.test) for mutation in mutations()]
