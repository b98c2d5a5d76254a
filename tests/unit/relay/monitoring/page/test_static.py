"""The files of the page, as they are installed."""

from __future__ import annotations

import hashlib
import re
from importlib.resources import files

import pytest

STATIC = files("relay.monitoring.page") / "static"
OWN = sorted(each.name for each in STATIC.iterdir() if each.name.endswith(".js") and not each.name.startswith("uPlot"))
HASHES = dict(re.findall(r"\| (uPlot\S+) \| ([0-9a-f]{64}) \|", (STATIC / "uPlot.md").read_text("utf-8")))


@pytest.mark.parametrize("name", HASHES)
def test_what_is_not_ours_is_what_its_authors_published(name: str) -> None:
    assert hashlib.sha256((STATIC / name).read_bytes()).hexdigest() == HASHES[name]


def test_every_file_that_is_not_ours_has_its_hash_and_its_licence() -> None:
    assert HASHES.keys() == {each.name for each in STATIC.iterdir() if each.name.startswith("uPlot")} - {"uPlot.md"}
    assert "MIT" in (STATIC / "uPlot.LICENSE.txt").read_text("utf-8")


@pytest.mark.parametrize("name", OWN)
def test_no_module_makes_html_of_text_or_names_another_host(name: str) -> None:
    text = (STATIC / name).read_text("utf-8")

    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|https?://", text
    )
    for imported in re.findall(r'from "([^"]+)"', text):
        assert (STATIC / imported.removeprefix("./")).is_file(), imported
