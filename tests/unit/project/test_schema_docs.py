"""docs/message-classes.md says what the code does."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mongoengine import EmbeddedDocument

from outbox.messages.documents.fields import REFUSED, STORED, bson_schema
from tests.integration.outbox.messages.field_cases import CASES

PAGE = (Path(__file__).parents[3] / "docs" / "message-classes.md").read_text(encoding="utf-8")


def rows(heading: str) -> dict[str, list[str]]:
    section = PAGE.split(f"## {heading}\n")[1].split("\n## ")[0]
    cells = [line.strip("|").split(" | ") for line in section.splitlines() if re.match(r"\| \w+Field ", line)]
    return {row[0].strip(): [cell.strip() for cell in row[1:]] for row in cells}


def bson_types(schema: dict[str, Any]) -> Iterator[str]:
    types = schema.get("bsonType", [])
    yield from [types] if isinstance(types, str) else types
    for branch in schema.get("anyOf", []):
        yield from bson_types(branch)


def test_the_table_has_each_field_that_is_stored() -> None:
    assert set(rows("From field to schema")) == {cls.__name__ for cls in STORED}


def test_the_table_has_each_field_that_is_refused() -> None:
    assert set(rows("What is refused at decoration")) == {cls.__name__ for cls in REFUSED}


@pytest.mark.parametrize("cls", list(STORED))
def test_the_table_names_the_bson_types_that_the_server_checks(cls: type) -> None:
    made = [type(EmbeddedDocument)("Documented", (EmbeddedDocument,), {"f": case.make()}) for case in CASES[cls]]
    checked = {name for one in made for name in bson_types(bson_schema(one)["properties"]["f"])}

    assert set(re.findall("`([a-zA-Z]+)`", rows("From field to schema")[cls.__name__][0])) == checked


@pytest.mark.parametrize("cls", list(STORED))
def test_what_only_the_client_checks_is_told_and_proven(cls: type) -> None:
    told = rows("From field to schema")[cls.__name__][1] != "—"

    assert told == any(case.client_only for case in CASES[cls])
