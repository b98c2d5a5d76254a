"""What the README and the guides show is run; what they print, link to and name is there."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pytest
from pymongo.database import Database

from tests.acceptance.example import EXAMPLES, run
from tests.acceptance.pages import FIRST_STEPS, README, ROOT, Prompt, blocks

GUIDES = sorted([README, *(ROOT / "docs").rglob("*.md"), *EXAMPLES.glob("*/README.md")])
LINK = re.compile(r"\]\((?!https?:)([^)#]+)(?:#[^)]*)?\)")
TEST = re.compile(r"`(tests/[\w/]+\.py)(?:::(\w+))?`")


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


def test_the_first_steps_can_be_pasted_into_a_prompt(tmp_path: Path) -> None:
    steps = blocks(FIRST_STEPS, "python")
    assert sum(len(prints) for _, prints in steps) >= 4
    with Prompt(tmp_path) as prompt:
        for code, prints in steps:
            prompt.paste(code, prints)
        assert prompt.end() == ""


def test_the_javascript_of_the_staging_contract_is_the_examples() -> None:
    [(code, _)] = blocks(ROOT / "docs" / "wire-contracts.md", "js")
    assert code.strip() in (EXAMPLES / "node_put" / "put.mjs").read_text()


@pytest.mark.parametrize("guide", GUIDES, ids=lambda guide: str(guide.relative_to(ROOT)))
def test_every_link_of_a_guide_leads_somewhere(guide: Path) -> None:
    dead = [link for link in LINK.findall(guide.read_text()) if not (guide.parent / link).exists()]
    assert dead == []


@pytest.mark.parametrize("guide", GUIDES, ids=lambda guide: str(guide.relative_to(ROOT)))
def test_every_test_that_a_guide_names_exists(guide: Path) -> None:
    missing = [
        f"{file}::{name}"
        for file, name in TEST.findall(guide.read_text())
        if not (ROOT / file).exists() or (name and f"def {name}(" not in (ROOT / file).read_text())
    ]
    assert missing == []


def test_nothing_is_to_be_installed_from_an_index_that_does_not_have_it() -> None:
    from_an_index = re.compile(r"pip install[^`\n]*\bmongo-outbox\b(?!\.git)")
    texts = [file for kind in ("*.md", "*.py") for file in ROOT.rglob(kind) if ".venv" not in file.parts]
    assert [str(file) for file in texts if file != Path(__file__) and from_an_index.search(file.read_text())] == []


def test_links_and_names_of_tests_are_found_in_a_text() -> None:
    assert LINK.findall("[a](no/such.md#part) [b](https://example.org)") == ["no/such.md"]
    assert TEST.findall("`tests/unit/test_x.py::test_y`, `tests/unit/test_x.py`") == [
        ("tests/unit/test_x.py", "test_y"),
        ("tests/unit/test_x.py", ""),
    ]
