"""The documentation as a site: built with nothing left open, readable without any other host, and spelt right."""

from __future__ import annotations

import importlib
import os
import re
import subprocess
import sys
import zlib
from pathlib import Path

import pytest

from tests.acceptance.pages import ROOT

PUBLIC = [
    "outbox",
    "outbox.archive",
    "outbox.contrib.django",
    "outbox.contrib.fastapi",
    "outbox.embedded",
    "outbox.gateway",
    "outbox.metrics",
    "outbox.operators",
    "outbox.testing",
    "relay",
    "relay.errors",
]
LOADED = re.compile(r"<(?:script|img|iframe|source)\b[^>]*\bsrc=[\"']?(?:https?:)?//[^\"' >]+|<link\b[^>]*//[^>]+>")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built once: half of its ten seconds are the reference."""
    folder = tmp_path_factory.mktemp("site")
    settings = ROOT / "docs" / "site" / "mkdocs.yml"
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "-f", str(settings), "-d", str(folder)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    built = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    return folder


def test_it_is_built_without_a_warning_and_loads_nothing_from_other_hosts(site: Path) -> None:
    pages = list(site.rglob("*.html"))
    assert len(pages) > 100
    assert [(page.name, found) for page in pages for found in LOADED.findall(page.read_text(encoding="utf-8"))] == []


def test_the_reference_has_every_public_name(site: Path) -> None:
    inventory = (site / "objects.inv").read_bytes().split(b"\n", 4)[4]
    described = {line.split()[0].decode() for line in zlib.decompress(inventory).splitlines()}

    missing = []
    for module in PUBLIC:
        for name in importlib.import_module(module).__all__:
            thing = getattr(importlib.import_module(module), name)
            places = {f"{module}.{name}", f"{getattr(thing, '__module__', '')}.{name}"}
            if not places & described:
                missing.append(f"{module}.{name}")
    assert missing == []


def test_no_word_of_the_texts_is_misspelt() -> None:
    """By a list of mistakes that people make. Words that only look like one stand in pyproject.toml."""
    texts = ["README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "docs", "examples"]
    command = [sys.executable, "-m", "codespell_lib", "--toml", "pyproject.toml", *texts]
    checked = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr
