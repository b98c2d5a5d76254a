"""Makes the site of what is there: the navigation from the lists of docs/README.md, and pages of what stands beside
docs/. mkdocs calls the functions whose names begin with `on_`."""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[2]
INDEX = "docs/README.md"
BESIDE = {
    "CHANGELOG.md": "changes",
    "CONTRIBUTING.md": "contributing",
    "SECURITY.md": "reporting-a-vulnerability",
    "LICENSE": "licence",
}
LINK = re.compile(r"(\]\()(?!\w+:|#)([^)#\s]+)(#[^)\s]*)?(\))")
LANGUAGES = {".py": "python", ".mjs": "js"}


def on_config(config: Any) -> Any:
    """Reads the navigation: a heading of the index is a tab, and each link below it a page, in their order."""
    config.nav = []
    for section in read(INDEX).split("\n## ")[1:]:
        title, _, body = section.partition("\n")
        pages = [
            (link[1].replace("`", ""), site_page(INDEX, link[2]))
            for link in re.finditer(r"\[([^]]+)\]\(([^)#]+)\)", body)
        ]
        config.nav.append({title: [entry(text, page) for text, page in pages if page is not None]})
    config.nav[0] = {title: ["README.md", *entries] for title, entries in config.nav[0].items()}
    return config


def entry(text: str, page: str) -> dict[str, Any]:
    """A page of the navigation. One that is the index of a folder brings the folder's other pages."""
    if not page.endswith("/README.md"):
        return {text: page}
    folder = posixpath.dirname(page)
    if folder == "examples":
        others = [f"examples/{readme.parent.name}.md" for readme in examples()]
    else:
        others = sorted(f"{folder}/{file.name}" for file in (ROOT / "docs" / folder).glob("*.md"))
    return {text: [page, *(other for other in others if other != page)]}


def on_files(files: Files, config: Any) -> Files:
    """Adds the pages of what stands beside docs/."""
    for name in BESIDE:
        text = read(name) if name.endswith(".md") else f"# Licence\n\n```text\n{read(name)}```\n"
        files.append(File.generated(config, site_page("", name), content=text))
    files.append(File.generated(config, "examples/README.md", content=read("examples/README.md")))
    for readme in examples():
        files.append(File.generated(config, f"examples/{readme.parent.name}.md", content=example(readme.parent)))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Leads the links of a page to where the site has what they name."""
    here = page.file.src_uri
    source = repository_file(here)

    def led(link: re.Match[str]) -> str:
        target = site_page(source, link[2])
        if target is None:
            return link[0]  # mkdocs says what it does not find
        relative = posixpath.relpath(target, posixpath.dirname(here) or ".")
        return f"{link[1]}{relative}{link[3] or ''}{link[4]}"

    return LINK.sub(led, as_github_reads(markdown))


def as_github_reads(markdown: str) -> str:
    """Writes lists and tables as Python's Markdown has them: an empty line before a list, four blanks before an inner
    one, and no backslash before a bar in code."""
    lines: list[str] = []
    in_code, in_list = False, False
    for line in markdown.splitlines():
        in_code ^= line.startswith("```")
        item = not in_code and re.match(r"( *)([-*]|\d+\.) ", line)
        if item and not in_list and lines and lines[-1].strip() and len(item[1]) < 4:
            lines.append("")
        in_list = bool(item) or (in_list and bool(line.strip()))
        if line.startswith("|"):
            lines.append(re.sub(r"`[^`]+`", lambda code: code[0].replace("\\|", "|"), line))
        else:
            lines.append(re.sub(r"^  (?=[-*] )", "    ", line) if item else line)
    return "\n".join(lines) + "\n"


def site_page(source: str, target: str) -> str | None:
    """What a link in a file of the repository is called on the site; None when the site does not have it."""
    path = posixpath.normpath(posixpath.join(posixpath.dirname(source), target))
    if path in BESIDE:
        return f"{BESIDE[path]}.md"
    if path in {"examples", "examples/README.md"}:
        return "examples/README.md"
    if path.startswith("examples/"):
        return f"examples/{path.split('/')[1]}.md"
    return path.removeprefix("docs/") if path.startswith("docs/") else None


def repository_file(page: str) -> str:
    """The file in which the text of a page of the site stands."""
    for name in BESIDE:
        if page == site_page("", name):
            return name
    if page.startswith("examples/"):
        return page if page.endswith("/README.md") else f"{page.removesuffix('.md')}/README.md"
    return f"docs/{page}"


def examples() -> list[Path]:
    return sorted((ROOT / "examples").glob("*/README.md"))


def example(folder: Path) -> str:
    """An example's page: what its README says, its programs, and what they print."""
    parts = [(folder / "README.md").read_text(encoding="utf-8")]
    for file in sorted(folder.rglob("*")):
        if file.suffix in LANGUAGES and "node_modules" not in file.parts and file.stat().st_size > 0:
            code = file.read_text(encoding="utf-8")
            parts.append(f"## {file.relative_to(folder).as_posix()}\n\n````{LANGUAGES[file.suffix]}\n{code}````\n")
    parts.append(f"## What it prints\n\n````text\n{(folder / 'expected.txt').read_text(encoding='utf-8')}````\n")
    return "\n".join(parts)


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")
