"""Executors that need no thread, so that a test knows what has happened and what has not."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any


class Now(Executor):
    """Runs the work before `submit` returns."""

    def submit(self, work: Callable[..., Any], /, *arguments: Any, **options: Any) -> Future[Any]:
        later = _Later(lambda: work(*arguments, **options))
        later.exception()
        return later


class Later(Executor):
    """Runs the work when somebody waits for it, and never if nobody does."""

    def submit(self, work: Callable[..., Any], /, *arguments: Any, **options: Any) -> Future[Any]:
        return _Later(lambda: work(*arguments, **options))


class _Later(Future[Any]):
    def __init__(self, work: Callable[[], Any]) -> None:
        super().__init__()
        self._work = work

    def _run(self) -> None:
        if not self.done():
            try:
                self.set_result(self._work())
            except Exception as error:  # noqa: BLE001  # handed on by the future, as every executor does
                self.set_exception(error)

    def result(self, timeout: float | None = None) -> Any:
        self._run()
        return super().result(timeout)

    def exception(self, timeout: float | None = None) -> BaseException | None:
        self._run()
        return super().exception(timeout)
