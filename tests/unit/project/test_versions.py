"""What pyproject.toml allows, what constraints.txt pins, and what is installed here agree with one another."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[3]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
ALLOWED = [
    wanted
    for wanted in map(Requirement, (*PROJECT["dependencies"], *(each for extra in EXTRAS.values() for each in extra)))
    if wanted.name != PROJECT["name"]
]
PINS = [Requirement(line) for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
PRIVATE_NAMES_OF = {"pymongo", "mongoengine"}


@pytest.mark.parametrize("allowed", ALLOWED, ids=str)
def test_what_is_pinned_is_allowed(allowed: Requirement) -> None:
    pins = [pin for pin in PINS if canonicalize_name(pin.name) == canonicalize_name(allowed.name)]

    assert pins, "make constraints.txt anew, by the command in its first lines"
    for pin in pins:
        [version] = [each.version for each in pin.specifier]
        assert allowed.specifier.contains(version)


def test_each_pin_is_one_exact_version() -> None:
    assert [pin for pin in PINS if not re.fullmatch(r"==[^,*]+", str(pin.specifier))] == []


def test_a_package_whose_private_names_are_used_has_a_ceiling() -> None:
    bounded = {each.name for each in ALLOWED if any(bound.operator == "<" for bound in each.specifier)}

    assert bounded >= PRIVATE_NAMES_OF


@pytest.mark.parametrize("file", ["constraints.txt", "pyproject.toml", ".ci/run", "Dockerfile"])
def test_no_index_and_no_machine_is_named(file: str) -> None:
    assert re.findall(r"https?://|--(?:extra-)?index-url|--find-links|file:|@ ", (ROOT / file).read_text()) == []
