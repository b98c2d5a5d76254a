"""The benchmarks of the catalogue, measured and written down: a table, the archive, and a picture a group."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from bench.figures import plots, report
from bench.figures.archive import Archive, Entry
from bench.figures.plots import Bar, Pair
from bench.rig.benchmark import measure
from bench.rig.stage import Stage
from bench.workloads.catalogue import CATALOGUE, GROUPS

FILE = "rows"


def run(stage: Stage, names: list[str], rounds: int, say: Callable[[str], None]) -> Iterator[tuple[str, Entry]]:
    """Each of them, as it is done."""
    for number, name in enumerate(names, 1):
        say(f"[{number}/{len(names)}] {name}")
        yield name, report.entry(stage, rounds, measure(name, CATALOGUE[name](stage), rounds))


def archive(folder: Path) -> Archive:
    """Of all that was ever measured into this folder."""
    return Archive(folder / f"{FILE}.json")


def draw(folder: Path) -> None:
    """Writes the table and the pictures of what is in the archive."""
    entries = archive(folder).entries(CATALOGUE)
    (folder / f"{FILE}.md").write_text(report.page(entries))
    for group, names in GROUPS.items():
        panels = _panels({name: entries[name] for name in names if name in entries})
        if panels:
            plots.bars(folder / group, group, panels, ("this project", "what it is compared with"))


def _panels(entries: Mapping[str, Entry]) -> dict[str, list[Pair]]:
    """By metric, whoever has it; of `put: CPU µs` and `relay: CPU µs` in one, `CPU µs`."""
    panels: dict[str, list[Pair]] = {}
    for name, entry in entries.items():
        for metric, ways in entry["metrics"].items():
            ours, bare = (_bar(ways[way]) if way in ways else None for way in ("ours", "bare"))
            ratio = f"({report.number(ways['ratio']['median'])} ×)" if "ratio" in ways else ""
            label, _, title = metric.rpartition(": ")
            panels.setdefault(title, []).append(Pair(label or name, ours, bare, ratio))
    return panels


def _bar(figures: Mapping[str, float]) -> Bar:
    return Bar(figures["median"], figures["low"], figures["high"])
