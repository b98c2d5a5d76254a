"""All curves: measured, written down, and drawn into one picture."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench.figures import plots, report
from bench.figures.archive import Archive, Entry
from bench.figures.curve import Curve, Missing, entry, points
from bench.rig.stage import Stage
from bench.workloads.backlogs import Backlog, Shares, Size
from bench.workloads.crowds import LogSize, Readers, Writers

FILE = "curves"
CURVES: Mapping[str, Callable[[Stage], Curve]] = {
    "backlog": Backlog,
    "size": Size,
    "readers": Readers,
    "writers": Writers,
    "shares": Shares,
    "log": LogSize,
}
_PANEL_INCHES = 2.1


def run(stage: Stage, names: list[str], most: int | None, say: Callable[[str], None]) -> Iterator[tuple[str, Entry]]:
    """Each of them, as it is done, with `most` points at most."""
    for name in names:
        results = []
        for point in points(CURVES[name](stage), most):
            results.append(point)
            if isinstance(point, Missing):
                say(f"{name} {point.x:,}: skipped, {point.why}")
            else:
                memory = "" if point.resident_mib is None else f", {point.resident_mib:.0f} MiB"
                say(f"{name} {point.x:,}: {report.number(point.rate)}/s{memory}")
        about = {"machine": report.machine(stage), "load": asdict(stage.load)}
        yield name, entry(CURVES[name](stage), results, about)


def verdict(entry: Entry) -> str:
    """In a line."""
    if entry["power"] is None:
        return "too few points"
    may = "in proportion" if entry["at_most"] else "not at all"
    kept = "holds" if entry["no_worse_than_it_may"] else "FAILS"
    memory = {True: "flat", False: "not flat", None: "not measured"}[entry["memory_is_flat"]]
    return f"time ~ x^{entry['power']:.2f} (may grow {may}: {kept}); memory {memory}"


def draw(folder: Path) -> None:
    """Two panels a curve, rate and memory; what is in the archive."""
    entries = Archive(folder / f"{FILE}.json").entries(CURVES)
    figure = plots.new(0.5 + _PANEL_INCHES * len(entries))
    panels: Any = figure.subplots(len(entries), 2, squeeze=False)
    for (left, right), (name, each) in zip(panels, entries.items(), strict=True):
        _line(left, each, "rate")
        _line(right, each, "resident_mib")
        left.set_title(f"{name}: {each['rate_is']}\n{verdict(each)}", loc="left", fontsize=8, color=plots.INK)
        right.set_title("resident MiB\n", loc="left", fontsize=8, color=plots.INK)
        for axes in (left, right):
            axes.set_xlabel(each["x_is"], fontsize=8, color=plots.INK)
    figure.suptitle("What grows with what", x=0.01, ha="left", fontsize=12, color=plots.INK, weight="bold")
    plots.save(figure, folder / FILE)


def _line(axes: Any, entry: Entry, what: str) -> None:
    points = [(point["x"], point[what]) for point in entry["points"] if point[what] is not None]
    axes.set_xscale("log")
    axes.plot(*zip(*points, strict=True), color=plots.OURS, marker="o", markersize=4, linewidth=1.4) if points else None
    for x, y in points:
        axes.annotate(report.number(y), (x, y), xytext=(0, 5), textcoords="offset points", fontsize=7, ha="center")
    axes.margins(x=0.1)
    axes.set_ylim(0, 1.25 * max((y for _, y in points), default=1))
    plots.tidy(axes, "y")
    axes.minorticks_off()
    axes.set_xticks([x for x, _ in points], [f"{x:,.0f}" for x, _ in points])
