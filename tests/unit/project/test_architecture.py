"""docs/architecture.md is the map of what is there."""

from __future__ import annotations

import inspect
import re
import tomllib
from pathlib import Path

import pytest

import outbox
import relay
from outbox.mongo import collections
from tests.acceptance.pages import ROOT

PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"]
LAYERS = {package: each["layers"] for each in CONTRACTS for package in each.get("containers", [])}


@pytest.mark.parametrize("package", ["outbox", "relay"])
def test_the_layers_of_the_page_are_those_that_are_held(package: str) -> None:
    shown = " ".join(PAGE.split("```text\n")[1].split("```")[0].split())

    assert f"{package}: {' > '.join(LAYERS[package])}" in shown


@pytest.mark.parametrize("package", [outbox, relay])
def test_every_room_stands_on_the_page(package: object) -> None:
    folder = Path(package.__path__[0])  # type: ignore[attr-defined]
    rooms = [f"{folder.name}/{init.parent.name}" for init in folder.glob("*/__init__.py")]

    assert [room for room in rooms if f"`{room}`" not in PAGE and f"`{room}/" not in PAGE] == []


def test_every_collection_stands_on_the_page() -> None:
    stored = re.findall(r"f\"\{name\}(\.\w+)\"", inspect.getsource(collections))

    assert len(stored) > 8
    assert [name for name in stored if f"| `NAME{name}` |" not in PAGE] == []
