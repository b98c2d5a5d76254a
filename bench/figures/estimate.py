"""On paper: what many outboxes together need, from the measured costs of one message."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from bench.figures.archive import Archive
from bench.figures.report import number
from bench.figures.rows import FILE

_BEGIN, _END = "<!-- computed: python -m bench estimate -->", "<!-- end -->"
_DAY = 86_400


class EstimateUnavailable(Exception):
    """What it is computed from was not measured, or the page has no place for it."""


@dataclass(frozen=True)
class Plan:
    """What is assumed."""

    rate: int = 1_000_000
    """Messages a second, of all services together."""
    busy: float = 0.5
    """The part of a core that is planned for; the rest is for peaks and failures."""
    copies: int = 3
    """Members of each replica set, and replicas of each partition. Each is taken to cost what the first one does."""


class Line(NamedTuple):
    """One thing that is needed."""

    what: str
    amount: float
    unit: str
    how: str


def costs(folder: Path) -> dict[str, float]:
    """The medians of the row `costs`. Raises EstimateUnavailable."""
    entries = Archive(folder / f"{FILE}.json").entries()
    if "costs" not in entries:
        raise EstimateUnavailable(
            f"{folder / FILE}.json has no costs: first run `python -m bench run --only costs --into {folder}`"
        )
    medians = {metric: float(ways["ours"]["median"]) for metric, ways in entries["costs"]["metrics"].items()}
    if "relay: broker CPU µs" not in medians:
        raise EstimateUnavailable("the costs have no broker: measure them with the broker that the benchmarks start")
    return medians


def lines(of: Mapping[str, float], plan: Plan) -> list[Line]:
    """Everything that the plan needs."""
    rate, others = plan.rate, plan.copies - 1

    def cores(*metrics: str) -> float:
        return sum(of[metric] for metric in metrics) * rate / 1e6 / plan.busy

    def gigabytes(metric: str, times: float) -> float:
        return of[metric] * rate * times / 1e9

    after_put = ("sequence: mongod CPU µs", "relay: mongod CPU µs")
    applied = ("put in lists: mongod CPU µs", "sequence: mongod CPU µs")
    one = of["sequence: messages/s"] * plan.busy
    relay = of["relay: messages/s"] * plan.busy
    return [
        Line("outboxes, each with its sequencer", math.ceil(rate / one), "", f"of {number(one)} messages/s each"),
        Line("services, putting one by one", cores("put: process CPU µs"), "cores", "put: process"),
        Line("services, putting lists of 100", cores("put in lists: process CPU µs"), "cores", "put in lists: process"),
        Line(
            "primaries, of puts one by one", cores("put: mongod CPU µs", *after_put), "cores", "put + sequence + relay"
        ),
        Line("primaries, of lists", cores("put in lists: mongod CPU µs", *after_put), "cores", "the same with lists"),
        Line("secondaries", others * cores(*applied), "cores", f"put in lists + sequence, {others} times"),
        Line("sequencers", cores("sequence: process CPU µs"), "cores", "sequence: process"),
        Line("relays", cores("relay: process CPU µs"), "cores", "relay: process"),
        Line("relay processes", math.ceil(rate / relay), "", f"of {number(relay)} messages/s each"),
        Line("Kafka, leaders", cores("relay: broker CPU µs"), "cores", "relay: broker"),
        Line("Kafka, followers", others * cores("relay: broker CPU µs"), "cores", f"relay: broker, {others} times"),
        Line("services → primaries", gigabytes("log: bytes", 1), "GB/s", "log: bytes"),
        Line("primaries ↔ sequencers", gigabytes("log: bytes", 2), "GB/s", "log: bytes, there and back"),
        Line("primaries → secondaries", gigabytes("log: bytes", 2 * others), "GB/s", "log: bytes, staged and logged"),
        Line("primaries → relays", gigabytes("log: bytes", 1), "GB/s", "log: bytes"),
        Line("relays → Kafka", gigabytes("record: bytes", 1), "GB/s", "record: bytes, not compressed"),
        Line("leaders → followers", gigabytes("record: bytes", others), "GB/s", "record: bytes"),
        Line("logs, for an hour", gigabytes("log: bytes", 3600 * plan.copies) / 1e3, "TB", "log: bytes, each copy"),
        Line(
            "Kafka, for a day", gigabytes("record: bytes", _DAY * plan.copies) / 1e3, "TB", "record: bytes, each copy"
        ),
    ]


def page(of: Mapping[str, float], plan: Plan) -> str:
    """What goes in, and what comes out, in Markdown."""
    said = [f"| what is needed for {plan.rate:,} messages/s | | computed from |", "|---|---|---|"]
    said += [f"| {line.what} | {number(line.amount)} {line.unit} | {line.how} |" for line in lines(of, plan)]
    taken = ["| measured, of one message | |", "|---|---|"]
    taken += [f"| {metric} | {number(value)} |" for metric, value in of.items()]
    busy = f"A core is planned to be {plan.busy:.0%} busy; there are {plan.copies} copies of everything."
    return "\n".join([*said, "", busy, "", *taken])


def renew(path: Path, text: str) -> None:
    """Puts the text into a page, between its two marks. Raises EstimateUnavailable."""
    old = path.read_text()
    before, begin, rest = old.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not begin or not end:
        raise EstimateUnavailable(f"{path} has no {_BEGIN} … {_END} to put the figures between")
    path.write_text(f"{before}{begin}\n\n{text}\n\n{end}{after}")


def computed(path: Path) -> Sequence[str]:
    """The lines that stand in a page between its marks."""
    return path.read_text().partition(_BEGIN)[2].partition(_END)[0].strip().splitlines()
