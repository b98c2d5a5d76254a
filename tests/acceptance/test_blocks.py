"""All Python of the pages is type-checked: it calls what there is, with arguments that fit."""

from __future__ import annotations

import re
import subprocess
import sys
import textwrap
from pathlib import Path

from tests.acceptance.pages import FENCED, ROOT

GRANTED = {
    "async": "asyncio_",
    "beanie": "beanie",
    "celery": "celery",
    "django": "django",
    "fastapi": "asynchronous",
    "inbox": "inbox",
    "README": "nothing",
    "tutorial": "nothing",
    "web-workers": "asynchronous",
}
TYPED = [
    "--strict",
    "--allow-untyped-defs",
    "--allow-untyped-calls",
    "--allow-untyped-decorators",
    "--no-warn-unreachable",
]
# A page declares anew what is there, and does not ask whether a record has a message.
ALLOWED = ["no-redef", "assignment", "union-attr", "var-annotated", "import-untyped", "misc"]


def test_the_python_of_the_pages_is_type_checked(tmp_path: Path) -> None:
    places: dict[str, str] = {}  # where a line that is checked stands in its page
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]:
        found = [block for block in FENCED.finditer(page.read_text(encoding="utf-8")) if block[1] == "python"]
        if found:
            module = f"page_{page.stem.replace('-', '_').lower()}"
            lines = granted(page.stem).read_text(encoding="utf-8").splitlines()
            for block in found:
                first = block.string.count("\n", 0, block.start(2)) + 1
                for number, line in code(block[2], first):
                    lines.append(line)
                    places[f"{module}.py:{len(lines)}"] = f"{page.relative_to(ROOT)}:{number}"
            (tmp_path / f"{module}.py").write_text("\n".join(lines) + "\n", encoding="utf-8")

    allowed = [f"--disable-error-code={each}" for each in ALLOWED]
    # Of an installation to be edited, mypy would also report the package's own files, by the flags for pages.
    command = [sys.executable, "-m", "mypy", "--follow-imports=silent", *TYPED, *allowed, str(tmp_path)]
    checked = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert len(places) > 400
    wrong = re.sub(r"\S*/?(page_\w+\.py:\d+)", lambda place: places.get(place[1], place[1]), checked.stdout)
    assert checked.returncode == 0, wrong + checked.stderr


def granted(page: str) -> Path:
    """The names that a reader of a page has by then."""
    return ROOT / "tests" / "typing" / "pages" / f"{GRANTED.get(page, 'service')}.py"


def code(block: str, first: int) -> list[tuple[int, str]]:
    """The lines of a block, each with its number in the page; in a coroutine if the block awaits outside of one."""
    numbered = list(enumerate(block.splitlines(), first))
    try:
        compile(block, "a block", "exec", dont_inherit=True)
    except SyntaxError:
        body = textwrap.indent(block, "    ").splitlines()
        return [(first, f"async def block_{first}() -> None:"), *enumerate(body, first)]
    return numbered
