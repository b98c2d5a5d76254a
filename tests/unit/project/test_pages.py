"""What the pages link to and name is there: pages, headings, tests, extras; and the index has every page."""

from __future__ import annotations

import re
import tomllib
from functools import cache
from pathlib import Path

from tests.acceptance.pages import ROOT

DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md"), *(ROOT / "examples").rglob("*.md")])
PAGES = [page for page in PAGES if "node_modules" not in page.parts]
LINK = re.compile(r"\]\((?!\w+:)([^)#\s]*)(?:#([^)\s]+))?\)")
TEST = re.compile(r"`(tests/[\w/]+\.py)(?:::(\w+))?`")
EXTRAS = re.compile(r"pip install [^`\n]*'[^']*\[([\w,]+)\]'|\bextras? `([\w-]+)`")
CODE = re.compile(r"^```.*?^```|(?<=\n\n)(?: {4}[^\n]*\n)+", re.MULTILINE | re.DOTALL)


def name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def links(text: str) -> list[tuple[str, str]]:
    """The links within the repository: where to, and to which heading there."""
    return LINK.findall(CODE.sub("", text))


@cache
def anchors(page: Path) -> set[str]:
    """What GitHub and the site call a page's headings in links."""
    found: dict[str, int] = {}
    for line in CODE.sub("", page.read_text(encoding="utf-8")).splitlines():
        if re.match(r"#{1,6} ", line):
            shown = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", line.lstrip("#").strip())
            anchor = re.sub(r"[^\w\- ]", "", shown.lower()).replace(" ", "-")
            found[anchor] = found.get(anchor, 0) + 1
    return {
        anchor for anchor, count in found.items() for anchor in [anchor, *(f"{anchor}-{n}" for n in range(1, count))]
    }


def test_every_link_leads_to_what_is_there() -> None:
    dead = []
    for page in PAGES:
        for target, heading in links(page.read_text(encoding="utf-8")):
            there = page.parent / target if target else page
            if not there.exists():
                dead.append(f"{name(page)}: {target}")
            elif heading and heading not in anchors(there):
                dead.append(f"{name(page)}: {target}#{heading}")
    assert dead == []


def test_every_test_that_a_page_names_exists() -> None:
    missing = [
        f"{name(page)}: {file}::{test}"
        for page in PAGES
        for file, test in TEST.findall(page.read_text(encoding="utf-8"))
        if not (ROOT / file).exists() or (test and f"def {test}(" not in (ROOT / file).read_text(encoding="utf-8"))
    ]
    assert missing == []


def test_the_index_lists_every_page() -> None:
    index = DOCS / "README.md"
    listed = {(DOCS / target).resolve() for target, _ in links(index.read_text(encoding="utf-8"))}
    folders = {page.parent for page in listed if page.name == "README.md"}  # their own index lists what they have

    assert [
        name(page) for page in DOCS.rglob("*.md") if page != index and page not in listed and page.parent not in folders
    ] == []


def test_the_index_of_a_folder_lists_every_page_of_it() -> None:
    for index in (DOCS / "decisions" / "README.md", ROOT / "examples" / "README.md"):
        listed = {(index.parent / target).resolve() for target, _ in links(index.read_text(encoding="utf-8"))}
        pages = [page for page in PAGES if page != index and page.is_relative_to(index.parent)]

        assert [name(page) for page in pages if page not in listed] == []


def test_every_extra_that_a_page_names_can_be_installed() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    named = [
        (name(page), extra)
        for page in PAGES
        for several in EXTRAS.findall(page.read_text(encoding="utf-8"))
        for extra in ",".join(several).strip(",").split(",")
    ]

    assert len(named) > 20
    assert [(page, extra) for page, extra in named if extra not in extras] == []


def test_nothing_is_to_be_installed_from_an_index_that_does_not_have_it() -> None:
    from_an_index = re.compile(r"pip install[^`\n]*\bmongo-outbox\b(?!\.git)")
    programs = [*(ROOT / "examples").rglob("*.py"), *(ROOT / "bench").rglob("*.py")]
    assert [name(file) for file in [*PAGES, *programs] if from_an_index.search(file.read_text(encoding="utf-8"))] == []


def test_links_headings_and_names_of_tests_are_found_in_a_text(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "# A `b`: [c](d.md)\n\n    [e](f.md)\n\n```\n[g](h.md)\n```\n\n## Twice\n\n## Twice\n", encoding="utf-8"
    )

    assert links("[a](no/such.md#part) [b](https://example.org) [c](#here)") == [("no/such.md", "part"), ("", "here")]
    assert links(page.read_text(encoding="utf-8")) == [("d.md", "")]
    assert anchors(page) == {"a-b-c", "twice", "twice-1"}
    assert TEST.findall("`tests/unit/test_x.py::test_y`, `tests/unit/test_x.py`") == [
        ("tests/unit/test_x.py", "test_y"),
        ("tests/unit/test_x.py", ""),
    ]
    assert EXTRAS.findall("pip install '.[a,b]' with the extra `c`") == [("a,b", ""), ("", "c")]
