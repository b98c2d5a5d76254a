"""Workers: a few threads of one's own that do what they are given beside their owner, for as long as it is at work."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any, TypeVar

from outbox.mongo.calls import outside_bound_session

T = TypeVar("T")

_IDLE_SECONDS = 2.0


class Workers(Executor):
    """Does what it is given on at most so many daemon threads, which begin and end with the work. Thread-safe.

    Unlike the library's pool of threads it works to the end: also when the main thread has ended and others go on, from
    when on that one refuses all work, and again after `shutdown`. What no thread can be had for (a container may be at
    its limit for a moment) is done on the caller's, before `submit` returns.
    """

    def __init__(self, most: int, name: str) -> None:
        self._most = most
        self._name = name
        self._changed = threading.Condition()
        self._given: deque[Callable[[], None]] = deque()
        self._threads: set[threading.Thread] = set()
        self._idle = 0
        self._ends = False

    def submit(self, work: Callable[..., T], /, *arguments: Any, **options: Any) -> Future[T]:
        """Has it done. What it raises is raised by the future's `result`."""
        future: Future[T] = Future()

        def do() -> None:
            try:
                future.set_result(work(*arguments, **options))
            except BaseException as error:  # noqa: BLE001  # handed on by the future, as every executor does
                future.set_exception(error)

        with self._changed:
            self._ends = False
            self._given.append(do)
            if self._idle >= len(self._given) or len(self._threads) >= self._most or self._has_begun_one():
                self._changed.notify()
                return future
            self._given.pop()
        do()
        return future

    def _has_begun_one(self) -> bool:
        """Whether there is a thread that will do what was given."""
        thread = threading.Thread(
            target=outside_bound_session(self._work), name=f"{self._name}_{len(self._threads)}", daemon=True
        )
        try:
            thread.start()
        except RuntimeError:  # no more threads, for the moment or since the interpreter ends
            return bool(self._threads)
        self._threads.add(thread)
        return True

    def _work(self) -> None:
        while True:
            with self._changed:
                self._idle += 1
                self._changed.wait_for(lambda: self._given or self._ends, _IDLE_SECONDS)
                self._idle -= 1
                if not self._given:
                    self._threads.discard(threading.current_thread())
                    return
                do = self._given.popleft()
            do()
            del do  # while the thread is idle, it must not keep alive what the work was about

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Ends the threads once they have done what they were given, and waits for that. More work begins new ones."""
        with self._changed:
            self._ends = True
            ending = list(self._threads)
            self._changed.notify_all()
        if wait:
            for thread in ending:
                thread.join()
