"""What was measured: a table for people, a JSON file for programs."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import confluent_kafka
import pymongo
from rich import box
from rich.table import Table

from bench.benchmark import Measurement, Spread, spread
from bench.stage import Stage


def machine(stage: Stage) -> dict[str, Any]:
    """Where it was measured, and with what."""
    return {
        "cores": os.cpu_count(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "mongod": stage.client.server_info()["version"],
        "pymongo": pymongo.version,
        "librdkafka": confluent_kafka.libversion()[0],
    }


def table(measurements: Sequence[Measurement]) -> Table:
    """Medians, with the least and the most in brackets."""
    made = Table(box=box.SIMPLE, caption_justify="left")
    made.caption = "Median (least–most). The ratio is ours to the bare driver's, of the same round."
    made.add_column("", overflow="fold")
    for column in ("ours", "bare", "ratio"):
        made.add_column(column, justify="right", no_wrap=True)
    name = ""
    for each in measurements:
        if each.benchmark != name:
            name = each.benchmark
            made.add_section()
            made.add_row(f"[bold]{name}[/bold]\n[dim]bare: {each.bare_is}[/dim]")
        made.add_row(each.metric, *(_text(spread(values)) for values in (each.ours, each.bare, each.ratio)))
    return made


def _text(figures: Spread) -> str:
    return f"{_number(figures.median)}\n({_number(figures.low)}–{_number(figures.high)})"


def _number(value: float) -> str:
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def write(path: Path, stage: Stage, rounds: int, measurements: Sequence[Measurement]) -> None:
    """Every figure of every round, and their spreads."""
    results = [
        {
            "benchmark": each.benchmark,
            "metric": each.metric,
            "bare_is": each.bare_is,
            "rounds": {"ours": each.ours, "bare": each.bare},
            **{
                name: spread(values)._asdict()
                for name, values in (("ours", each.ours), ("bare", each.bare), ("ratio", each.ratio))
            },
        }
        for each in measurements
    ]
    content = {"machine": machine(stage), "load": asdict(stage.load), "rounds": rounds, "results": results}
    path.write_text(json.dumps(content, indent=2) + "\n")
