"""What the README and the guides show is run, and prints what they say."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from pymongo.database import Database

from tests.acceptance.example import EXAMPLES, run
from tests.acceptance.pages import README, ROOT, Prompt, blocks


def example(mongo_uri: str, database: Database[Any]) -> tuple[str, list[str]]:
    """The README's Python, with the test's own server and database; and what it says that it prints."""
    [(code, prints)] = blocks(README, "python")
    own = f"client[{database.name!r}]"
    for shown, here in (("mongodb://localhost:27017/?replicaSet=rs0", mongo_uri), ("client.shop", own)):
        assert shown in code
        code = code.replace(shown, here)
    assert prints
    return code, prints


def test_the_example_of_the_readme_can_be_pasted_into_a_prompt(
    mongo_uri: str, database: Database[Any], tmp_path: Path
) -> None:
    with Prompt(tmp_path) as prompt:
        prompt.paste(*example(mongo_uri, database))
        assert prompt.end() == ""


def test_the_example_of_the_readme_is_a_program_too_and_runs_again(
    mongo_uri: str, database: Database[Any], tmp_path: Path
) -> None:
    code, prints = example(mongo_uri, database)
    program = tmp_path / "example.py"
    program.write_text(code)
    for _ in range(2):
        assert run([sys.executable, str(program)]).splitlines() == prints


def test_the_javascript_of_the_staging_contract_is_the_examples() -> None:
    [(code, _)] = blocks(ROOT / "docs" / "wire-contracts.md", "js")
    assert code.strip() in (EXAMPLES / "node_put" / "put.mjs").read_text()
