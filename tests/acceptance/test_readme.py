"""What the README and the guides show is run; what they print, link to and name is there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pymongo.database import Database

from tests.acceptance.example import EXAMPLES
from tests.waiting import wait_until

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
FIRST_STEPS = ROOT / "docs" / "first-steps.md"
GUIDES = sorted([README, *(ROOT / "docs").rglob("*.md"), *EXAMPLES.glob("*/README.md")])
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```\n(.*?)(?=^```|\Z)", re.MULTILINE | re.DOTALL)
PRINTS = re.compile(r"prints\s+`([^`]+)`")
LINK = re.compile(r"\]\((?!https?:)([^)#]+)(?:#[^)]*)?\)")
TEST = re.compile(r"`(tests/[\w/]+\.py)(?:::(\w+))?`")


def blocks(guide: Path, language: str) -> list[tuple[str, list[str]]]:
    """The code blocks of a guide, each with what the text up to the next block says it prints."""
    found = BLOCK.findall(guide.read_text())
    return [(code, PRINTS.findall(text)) for tongue, code, text in found if tongue == language]


class Reader:
    """Somebody who pastes the blocks into a Python prompt, one after the other."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self.names: dict[str, Any] = {"__name__": "prompt"}
        self._capsys = capsys
        self._seen = ""

    def paste(self, code: str, prints: list[str]) -> None:
        """Runs a block, and waits until it has printed all that it should."""
        self._seen = ""
        exec(compile(code, "guide", "exec"), self.names)  # noqa: S102  # the page's own code is what is tested
        wait_until(lambda: set(prints) <= set(self._printed()), 30, f"the lines {prints} to be printed")

    def _printed(self) -> list[str]:
        self._seen += self._capsys.readouterr().out
        return self._seen.splitlines()


@pytest.fixture
def reader(capsys: pytest.CaptureFixture[str]) -> Iterator[Reader]:
    reader = Reader(capsys)
    yield reader
    for name, close in (("orders", "close"), ("client", "close"), ("mongo", "stop")):
        if name in reader.names:
            getattr(reader.names[name], close)()


def test_the_example_of_the_readme_does_what_it_says(mongo_uri: str, database: Database[Any], reader: Reader) -> None:
    [(code, prints)] = blocks(README, "python")
    own = f"client[{database.name!r}]"
    for shown, here in (("mongodb://localhost:27017/?replicaSet=rs0", mongo_uri), ("client.shop", own)):
        assert shown in code
        code = code.replace(shown, here)
    assert prints
    reader.paste(code, prints)


def test_the_first_steps_do_what_they_say(reader: Reader) -> None:
    steps = blocks(FIRST_STEPS, "python")
    assert sum(len(prints) for _, prints in steps) >= 4
    for code, prints in steps:
        reader.paste(code, prints)


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


def test_the_readme_has_the_two_commands_for_a_clone() -> None:
    text, install = README.read_text(), "python3 -m venv .venv && .venv/bin/pip install -c constraints.txt"
    assert f"{install} '.[all]' && .venv/bin/relay demo\n" in text
    assert f"{install} -e '.[test]' && .venv/bin/pytest\n" in text


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
