"""Shows how far a replay is, on a terminal alone."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, SpinnerColumn, Task, TextColumn, TimeRemainingColumn
from rich.progress import ProgressColumn as Column
from rich.text import Text

from relay.replay.replay import Report


class ReplayProgress:
    """Shows records, rate and the time that is left, inside the `with`; nothing where standard error is no terminal."""

    def __init__(self, where: str, console: Console | None = None) -> None:
        console = Console(stderr=True) if console is None else console
        self._progress = Progress(
            SpinnerColumn(), TextColumn("{task.description}"), MofNCompleteColumn(), _Rate(), TimeRemainingColumn(),
            console=console, disable=not console.is_terminal, transient=True,
        )  # fmt: skip
        self._task = self._progress.add_task(f"replaying {where}", total=None)

    def show(self, report: Report) -> None:
        """Takes how far it is."""
        done, total = report.reached - report.first + 1, report.last - report.first + 1
        self._progress.update(self._task, completed=done, total=total)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()


class _Rate(Column):
    """Records a second, of those that it has passed."""

    def render(self, task: Task) -> Text:
        return Text("" if task.speed is None else f"{task.speed:,.0f}/s")
