"""This project's relay beside others, by the yardstick kit, in turns: a table, the archive, and a picture."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from bench.figures import plots, report
from bench.figures.archive import Archive, Entry
from bench.figures.plots import Bar, Pair
from bench.figures.yardstick import OURS, Yardstick, YardstickFailed
from bench.rig.benchmark import spread

FILE = "compare"

Figure = Callable[[Mapping[str, Any]], float]
"""Out of a line of the kit's."""


@dataclass(frozen=True)
class Kind:
    """What the kit measures in one go."""

    script: str
    arguments: Sequence[str]
    relays: Sequence[str]
    figures: Mapping[str, Figure]


KINDS: Mapping[str, Kind] = {
    "backlog": Kind(
        "backlog",
        ("1",),
        (OURS, "mongo-source-tuned", "debezium-tuned", "debezium-tuned-string"),
        {
            "messages/s": lambda line: line["msg_per_s"],
            "CPU µs/message": lambda line: 1e6 * line["cpu_first_to_last"]["relay"] / line["n"],
            "resident MiB": lambda line: line["relay_peak_rss_mib"],
            "missing": lambda line: line["missing"],
        },
    ),
    **{
        f"latency-{rate}": Kind(
            "latency",
            (str(rate),),
            (OURS, "mongo-source-tuned", "debezium-lowlat"),
            {
                f"at {rate}/s: p50 ms": lambda line: line["p50_ms"],
                f"at {rate}/s: p99 ms": lambda line: line["p99_ms"],
                f"at {rate}/s: CPU %": lambda line: line["cpu"]["relay_cpu_pct"],
            },
        )
        for rate in (200, 2000)
    },
    "start": Kind(
        "coldstart",
        ("1",),
        (OURS, "mongo-source-tuned", "debezium-tuned-svcload"),
        {"start → first record s": lambda line: line["spawn_to_first_record_s"]},
    ),
    "crash": Kind(
        "crash",
        (),
        (OURS, "mongo-source-tuned", "debezium-tuned"),
        {
            "repeated after SIGKILL": lambda line: line["duplicates"],
            "missing after SIGKILL": lambda line: line["missing"],
        },
    ),
}


class Turn(NamedTuple):
    """One run of the kit."""

    kind: str
    relay: str


def turns(kinds: Sequence[str], relays: Sequence[str] | None) -> list[Turn]:
    """What one round is: each relay once for each kind, those of a kind one after the other."""
    return [Turn(kind, relay) for kind in kinds for relay in KINDS[kind].relays if relays is None or relay in relays]


def run(
    kit: Yardstick, planned: Sequence[Turn], rounds: int, say: Callable[[str], None]
) -> Iterator[tuple[str, Entry]]:
    """All turns, round after round; each turn's entry after each round, with the figures so far.

    A turn that fails is told, and the others go on: they take hours. Raises YardstickFailed at the end.
    """
    lines: dict[Turn, list[Mapping[str, Any]]] = {turn: [] for turn in planned}
    failed: list[str] = []
    for number in range(1, rounds + 1):
        for turn in planned:
            title, kind = f"[{number}/{rounds}] {turn.kind} {turn.relay}", KINDS[turn.kind]
            say(title)
            try:
                lines[turn] += kit.run(kind.script, turn.relay, *kind.arguments, settings=_settings(turn.relay))
            except YardstickFailed as error:
                say(str(error))
                failed.append(title)
            else:
                yield f"{turn.kind} {turn.relay}", _entry(turn, lines[turn])
    if failed:
        raise YardstickFailed(f"without figures: {', '.join(failed)}")


def _settings(relay: str) -> list[str]:
    # A collection of one's own: what is an ordinary collection to the others is the log to us.
    if relay == OURS:
        return ["DOC=staging", "COLL=outbox"]
    return ["DOC=aggregate", "COLL=events", f"PAYLOAD_KIND={'string' if relay.endswith('-string') else 'object'}"]


def _entry(turn: Turn, lines: Sequence[Mapping[str, Any]]) -> Entry:
    metrics = {
        metric: {**spread([figure(line) for line in lines])._asdict(), "rounds": [figure(line) for line in lines]}
        for metric, figure in KINDS[turn.kind].figures.items()
    }
    return {"kind": turn.kind, "relay": turn.relay, "machine": report.host(), "metrics": metrics, "lines": list(lines)}


def draw(folder: Path) -> None:
    """Writes the table and the picture of what is in the archive, if there is anything."""
    entries = list(Archive(folder / f"{FILE}.json").entries().values())
    if not entries:
        return
    panels: dict[str, list[Pair]] = {}
    for kind in KINDS:
        for entry in sorted((entry for entry in entries if entry["kind"] == kind), key=_order):
            for metric, figures in entry["metrics"].items():
                title = metric if metric.startswith("at ") or kind in ("start", "crash") else f"{kind}: {metric}"
                bar, is_ours = Bar(figures["median"], figures["low"], figures["high"]), entry["relay"] == OURS
                label = entry["relay"]
                panels.setdefault(title, []).append(Pair(label, bar if is_ours else None, None if is_ours else bar))
    (folder / f"{FILE}.md").write_text(page(panels))
    shown = {title: pairs for title, pairs in panels.items() if "missing" not in title}
    plots.bars(folder / FILE, "Beside other relays", shown, ("this project", "others"))


def _order(entry: Entry) -> int:
    relays = KINDS[entry["kind"]].relays
    return relays.index(entry["relay"]) if entry["relay"] in relays else len(relays)


def page(panels: Mapping[str, Sequence[Pair]]) -> str:
    """In Markdown: a row a metric, a column a relay."""
    relays = list(dict.fromkeys(pair.label for pairs in panels.values() for pair in pairs))
    lines = [f"| | {' | '.join(relays)} |", "|---|" + "---|" * len(relays)]
    for title, pairs in panels.items():
        cells = {pair.label: _text(pair.ours or pair.theirs) for pair in pairs}
        lines.append(f"| {title} | {' | '.join(cells.get(relay, '') for relay in relays)} |")
    return "\n".join([*lines, "", "Median (least–most).", ""])


def _text(bar: Bar | None) -> str:
    return "" if bar is None else report.text(bar.median, bar.low, bar.high)
