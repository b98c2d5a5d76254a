"""docs/pydantic.md says what the code does."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from outbox.messages.message_types import MessageTypes
from tests.integration.outbox.messages.model_cases import MODEL_CASES
from tests.integration.outbox.messages.parity import model_of

PAGE = (Path(__file__).parents[3] / "docs" / "pydantic.md").read_text(encoding="utf-8")
ROWS = {
    re.findall("`(\\w+)`", line)[0]: [cell.strip() for cell in line.strip("|").split(" | ")]
    for line in PAGE.split("## From type to schema\n")[1].split("\n\nBoth sides")[0].splitlines()
    if line.startswith("| `")
}

OF_ITS_VALUES = {"Enum", "Literal", "Optional", "Union", "BaseModel", "Any"}


def bson_types(schema: Any) -> Iterator[str]:
    types = schema.get("bsonType", [])
    yield from [types] if isinstance(types, str) else types
    for branch in schema.get("anyOf", []):
        yield from bson_types(branch)


def test_the_table_has_each_type_that_is_tried_on_the_server() -> None:
    assert set(ROWS) == set(MODEL_CASES)


@pytest.mark.parametrize(
    "name", sorted(set(MODEL_CASES) - {"Enum", "Literal", "Optional", "Union", "BaseModel", "Any"})
)
def test_the_table_names_the_bson_types_that_the_server_checks(name: str) -> None:
    made = [MessageTypes([model_of(case.annotation).cls]).schemas()["parity"] for case in MODEL_CASES[name]]
    checked = {kind for schema in made for kind in bson_types(schema["properties"]["f"])}

    assert set(re.findall("`(\\w+)`", ROWS[name][1])) == checked


@pytest.mark.parametrize("name", sorted(MODEL_CASES))
def test_what_only_the_client_checks_is_told_and_proven(name: str) -> None:
    told = ROWS[name][2] != "—"

    assert told == any(case.client_only for case in MODEL_CASES[name]) or name == "Any"


def test_the_example_of_the_page_is_a_message_class() -> None:
    code = PAGE.split("```python\n")[1].split("```")[0]
    names: dict[str, Any] = {}
    exec(compile(code, "docs/pydantic.md", "exec", dont_inherit=True), names)  # noqa: S102  # the page's own code

    assert MessageTypes([names["OrderPlaced"]]).names == ("order.placed",)
