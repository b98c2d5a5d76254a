"""Shows the demo's steps, live counts and verdict; in plain lines where the terminal cannot redraw."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from bson import json_util
from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from outbox import Record
from relay.demo.report import Check

_LINE_SECONDS = 1.0


@dataclass(frozen=True)
class Counts:
    """A moment of the demo, in messages."""

    goal: int
    committed: int
    aborted: int
    numbered: int
    observed: int
    relayed: int
    latest: Record[Any] | None
    """The record that the Observable delivered last."""

    @property
    def complete(self) -> bool:
        """Whether all messages have arrived everywhere."""
        return self.committed == self.numbered == self.observed == self.relayed == self.goal


class Display:
    """Prints on `console`. Not thread-safe."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._redraws = console.is_terminal and not console.is_dumb_terminal
        self._mark = "✓✗" if console.encoding.lower().startswith("utf") else "+!"
        self._printed: float | None = None
        self._live: Live | None = None

    def step(self, name: str, text: str, seconds: float | None = None) -> None:
        """Prints one thing that was done on the way."""
        took = "" if seconds is None else f" ({seconds:.1f} s)"
        self.console.print(Text.assemble((f"{name:<10}", "bold"), text, (took, "dim")), soft_wrap=True)

    @contextmanager
    def counting(self) -> Iterator[None]:
        """Lets `show` redraw in place, while the block runs."""
        if not self._redraws:
            yield
            return
        with Live(console=self.console, auto_refresh=False, transient=False) as self._live:
            yield

    def show(self, counts: Counts, seconds: float) -> None:
        """Shows the counts now, `seconds` since the first message."""
        if self._live is not None:
            self._live.update(_bars(counts, seconds), refresh=True)
        elif counts.complete or self._printed is None or seconds - self._printed >= _LINE_SECONDS:
            self._printed = seconds
            self.console.print(
                f"{seconds:5.1f} s: committed {counts.committed:,} (aborted {counts.aborted:,}), "
                f"in the log {counts.numbered:,}, observed {counts.observed:,}, on Kafka {counts.relayed:,}",
                soft_wrap=True,
            )

    def verdict(self, checks: Sequence[Check], seconds: float) -> None:
        """Prints the checks, and how long all took."""
        self.console.print()
        for check in checks:
            mark, style = (self._mark[0], "bold green") if check.holds else (self._mark[1], "bold red")
            row = Table.grid(padding=(0, 1))
            row.add_row(Text(mark, style), check.says)
            self.console.print(row)
        failed = sum(not check.holds for check in checks)
        words = "Every check holds" if failed == 0 else f"{failed} of {len(checks)} checks FAILED"
        self.console.print(Text(f"\n{words}. {seconds:.1f} s in all.", "bold" if failed == 0 else "bold red"))


def _bars(counts: Counts, seconds: float) -> Table:
    waiting = max(0, counts.committed - counts.numbered)
    lag = max(0, counts.numbered - counts.relayed)
    rows = (
        ("committed", counts.committed, f"in transactions; {counts.aborted:,} aborted on purpose"),
        ("numbered", counts.numbered, f"in the capped log; {waiting:,} in staging"),
        ("observed", counts.observed, "by an RxPY Observable, in this process"),
        ("relayed", counts.relayed, f"to Kafka, by a process of its own; {lag:,} behind"),
    )
    grid = Table.grid(padding=(0, 1), expand=True)
    grid.add_column(no_wrap=True)
    grid.add_column(justify="right", no_wrap=True, min_width=len(f"{counts.goal:,}"))
    grid.add_column(ratio=2, min_width=8)
    grid.add_column(ratio=5, no_wrap=True, overflow="ellipsis")
    grid.add_row()
    for name, count, note in rows:
        bar = ProgressBar(total=counts.goal, completed=count)
        grid.add_row(Text(name, "bold"), f"{count:,}", bar, Text(note, "dim"))
    outer = Table.grid(expand=True)
    outer.add_column(no_wrap=True, overflow="ellipsis")
    outer.add_row(grid)
    outer.add_row(Text.assemble(("latest    ", "bold"), (_described(counts.latest), "cyan")))
    rate = counts.committed / seconds if seconds > 0 else 0.0
    outer.add_row(Text(f"          {seconds:.1f} s, {rate:,.0f} transactions a second", "dim"))
    return outer


def _described(record: Record[Any] | None) -> str:
    return "" if record is None else f"{record.seq:,} {record.type} {json_util.dumps(record.data)}"
