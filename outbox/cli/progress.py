"""Shows how far long work on records is, on a terminal alone."""

from __future__ import annotations

from types import TracebackType

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from outbox.monitoring.units import format_bytes


class _Rate(ProgressColumn):
    """Records a second, and their bytes so far."""

    def render(self, task: Task) -> Text:
        rate = (task.completed - task.fields["done"]) / (task.elapsed or 1)
        size = task.fields["bytes"]
        return Text(f"{format_bytes(size) + ' ' if size else ''}{rate:,.0f} records/s")


class RecordProgress:
    """Shows records, bytes, rate, and how long it will take; nothing where stderr is no terminal.

    total: up to which seq it is to go; None when nobody knows. done: up to which it was done before.
    """

    def __init__(self, title: str, total: int | None, done: int = 0, console: Console | None = None) -> None:
        console = console or Console(stderr=True)
        self._progress = Progress(
            TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), _Rate(),
            TimeElapsedColumn(), TimeRemainingColumn(),
            console=console, disable=not console.is_terminal, transient=True,
        )  # fmt: skip
        self._task = self._progress.add_task(title, total=total, completed=done, done=done, bytes=0)
        self.bytes = 0
        self._total = total

    def reach(self, seq: int, bytes: int = 0) -> None:
        """Says that it is done up to this seq, with so many bytes more."""
        self.bytes += bytes
        if self._total is not None:
            self._total = max(self._total, seq)
        self._progress.update(self._task, completed=seq, total=self._total, bytes=self.bytes)

    def __enter__(self) -> RecordProgress:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._progress.stop()
