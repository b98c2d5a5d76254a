"""Figures kept from run to run."""

from __future__ import annotations

from pathlib import Path

from bench.figures.archive import Archive


def test_a_run_replaces_its_own_figures_and_leaves_the_others(tmp_path: Path) -> None:
    file = tmp_path / "new" / "rows.json"
    Archive(file).add("put", {"median": 1})
    Archive(file).add("read", {"median": 2})
    Archive(file).add("put", {"median": 3})
    assert Archive(file).entries() == {"put": {"median": 3}, "read": {"median": 2}}


def test_they_come_in_the_order_that_is_asked_for_and_what_has_none_last(tmp_path: Path) -> None:
    archive = Archive(tmp_path / "rows.json")
    for name in ("gone", "b", "a"):
        archive.add(name, {})
    assert list(archive.entries({"a": 1, "b": 1, "never": 1})) == ["a", "b", "gone"]
