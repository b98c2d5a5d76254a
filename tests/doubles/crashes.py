"""Ends a process in a model just before any of its calls, or lets something else happen there."""

from __future__ import annotations

import contextvars
import functools
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

import pytest
from pymongo.client_session import ClientSession
from pymongo.collection import Collection


class Crash(BaseException):
    """Ends the process here: no code catches it."""


class Life:
    """Ends just before its n-th call of these, or is overtaken there by others.

    calls: methods of collections whose names end with one of `collections`. others: methods that always count, each as
    (class, name); the commit of a transaction does, too.
    """

    def __init__(
        self,
        monkeypatch: pytest.MonkeyPatch,
        calls: Iterable[str],
        collections: tuple[str, ...],
        others: Iterable[tuple[type, str]],
    ) -> None:
        self._left: int | None = None
        self._then: Callable[[], object] = _end
        for name in calls:
            counted = self._counted(getattr(Collection, name), lambda each: each.name.endswith(collections))
            monkeypatch.setattr(Collection, name, counted)
        for owner, name in ((ClientSession, "commit_transaction"), *others):
            monkeypatch.setattr(owner, name, self._counted(getattr(owner, name), lambda _: True))

    def _counted(self, method: Callable[..., Any], counts: Callable[[Any], bool]) -> Callable[..., Any]:
        @functools.wraps(method)
        def counted(one: Any, *arguments: Any, **named: Any) -> Any:
            if self._left is not None and counts(one):
                self._left -= 1
                if self._left < 0:
                    self._then()
            return method(one, *arguments, **named)

        return counted

    def until(self, call: int | None, work: Callable[[], object]) -> None:
        """Does the work, at most up to that call; all of it if None."""
        self._left = call
        try:
            with suppress(Crash):
                work()
        finally:
            self._left = None

    def overtaken(self, call: int, others: Callable[[], object], work: Callable[[], object]) -> bool:
        """Does the work, and what others do just before that call of it; False when it had fewer calls."""
        happened = False

        def then() -> None:
            nonlocal happened
            self._left, happened = None, True
            contextvars.Context().run(others)  # not under the call's time limit

        self._left, self._then = call, then
        try:
            work()
        finally:
            self._left, self._then = None, _end
        return happened


def _end() -> None:
    raise Crash
