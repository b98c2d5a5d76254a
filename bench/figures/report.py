"""What was measured: a table for people, on the terminal and on a page, and entries of the archive."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import confluent_kafka
import pymongo
from rich import box
from rich.table import Table

from bench.figures.archive import Entry
from bench.rig.benchmark import Measurement, spread
from bench.rig.stage import Stage
from relay.encoding.encoder import is_native

WAYS = ("ours", "bare", "ratio")


def host() -> Entry:
    """Where it was measured, and when."""
    return {
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "cores": os.cpu_count(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "pymongo": pymongo.version,
        "librdkafka": confluent_kafka.libversion()[0],
        "encoder": "compiled" if is_native() else "Python",
    }


def machine(stage: Stage) -> Entry:
    """The same, and with which server."""
    return {**host(), "mongod": stage.client.server_info()["version"]}


def entry(stage: Stage, rounds: int, measured: Measurement) -> Entry:
    """Every figure of every round, and their spreads."""
    ways = {"ours": measured.ours, "bare": measured.bare, "ratio": measured.ratio}
    metrics = {
        metric: {way: _spread(ways[way][metric]) for way in WAYS if metric in ways[way]} for metric in measured.ours
    }
    about = {"machine": machine(stage), "load": asdict(stage.load), "rounds": rounds}
    return {"bare_is": measured.bare_is, "metrics": metrics, **about}


def _spread(values: Sequence[float]) -> Entry:
    return {**spread(values)._asdict(), "rounds": list(values)}


def table(entries: Mapping[str, Entry]) -> Table:
    """Medians, with the least and the most in brackets."""
    made = Table(box=box.SIMPLE, caption_justify="left")
    made.caption = "Median (least–most). The ratio is ours to the bare driver's, of the same round."
    made.add_column("", overflow="fold")
    for column in WAYS:
        made.add_column(column, justify="right", no_wrap=True)
    for name, each in entries.items():
        made.add_section()
        bare = "" if each["bare_is"] is None else f"\n[dim]bare: {each['bare_is']}[/dim]"
        made.add_row(f"[bold]{name}[/bold]{bare}")
        for metric, cells in _rows(each):
            made.add_row(metric, *(cell.replace(" (", "\n(") for cell in cells))
    return made


def page(entries: Mapping[str, Entry]) -> str:
    """The same in Markdown."""
    lines = ["| | | ours | bare | ratio |", "|---|---|---|---|---|"]
    for name, each in entries.items():
        title = f"`{name}`" + ("" if each["bare_is"] is None else f"; bare: {each['bare_is']}")
        for metric, cells in _rows(each):
            lines.append(f"| {title} | {metric} | {' | '.join(cells)} |")
            title = ""
    about = sorted({_about(each) for each in entries.values()})
    return "\n".join([*lines, "", "Median (least–most).", *about, ""])


def _about(entry: Entry) -> str:
    """In a line, what the figures are of."""
    of, load = entry["machine"], entry["load"]
    kind = "one text" if load["flat"] else "28 values"
    many = f"{entry['rounds']} round(s), {load['messages']:,} messages of {load['size']:,} bytes ({kind})"
    where = f"{of['cores']} cores, mongod {of['mongod']}, librdkafka {of['librdkafka']}, Python {of['python']}"
    return f"- {of['when'][:10]}: {many}; {where}, {of['encoder']} encoder"


def _rows(entry: Entry) -> Iterator[tuple[str, list[str]]]:
    metrics: Mapping[str, Mapping[str, Mapping[str, Any]]] = entry["metrics"]
    for metric, ways in metrics.items():
        yield metric, [_text(ways[way]) if way in ways else "" for way in WAYS]


def _text(figures: Mapping[str, float]) -> str:
    return text(figures["median"], figures["low"], figures["high"])


def text(median: float, low: float, high: float) -> str:
    """As `12.3 (11.8–14.0)`."""
    return number(median) if low == high else f"{number(median)} ({number(low)}–{number(high)})"


def number(value: float) -> str:
    """With as many digits as mean something."""
    if value >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"
