"""Runs consumers beside an application: as tasks of its loop, or on threads."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from outbox.aio import AsyncConsumer, AsyncOutbox
from outbox.aio.consumers.running import begin_on_thread
from outbox.arguments import check_takes, is_asynchronous
from outbox.consumers.consumer import Consumer
from outbox.errors import InvalidArgument
from outbox.outbox import Outbox

logger = logging.getLogger("outbox")

END_SECONDS = 1.0
"""So long a consumer has to end, once the outbox is closed; and so long again, once it is cancelled."""

Job = Callable[[], Any] | tuple[AsyncConsumer[Any] | Consumer[Any], Callable[..., Any]]


def checked(orders: AsyncOutbox | Outbox, consumers: Sequence[Job]) -> list[Callable[[], Any]]:
    """Returns the functions that run the consumers. Raises InvalidArgument for what cannot be run."""
    return [_function(orders, number, job) for number, job in enumerate(consumers)]


def _function(orders: AsyncOutbox | Outbox, number: int, job: Any) -> Callable[[], Any]:
    place = f"consumers[{number}]"
    if isinstance(job, tuple) and len(job) == 2 and isinstance(job[0], AsyncConsumer | Consumer):
        consumer, handler = job
        if isinstance(orders, AsyncOutbox) is not isinstance(consumer, AsyncConsumer):
            raise InvalidArgument(f"{place}: {type(consumer).__name__} is none of an {type(orders).__name__}")
        return partial(consumer.run, handler)
    if inspect.iscoroutine(job):
        job.close()  # else Python warns that nobody awaited it
    if not callable(job):
        raise InvalidArgument(
            f"{place}={job!r}: give a consumer and its handler, `(billing, bill)`, or a function without arguments, "
            "`lambda: billing.run_in_transaction(bill)`"
        )
    check_takes(place, job, "no argument, such as `lambda: billing.run(bill)`", InvalidArgument, 0)
    run: Callable[[], Any] = job
    return run


class Consuming:
    """The consumers of one application, from its startup to its end. For one event loop."""

    def __init__(self, orders: AsyncOutbox | Outbox, jobs: Sequence[Callable[[], Any]]) -> None:
        self._ending = False
        threaded = isinstance(orders, Outbox)
        self._tasks = [
            asyncio.create_task(self._run(job, on_thread=threaded and not is_asynchronous(job))) for job in jobs
        ]

    async def _run(self, job: Callable[[], Any], *, on_thread: bool) -> None:
        try:
            await (_on_thread(job) if on_thread else _in_loop(job))
        except Exception:
            logger.exception("a consumer of the application failed, and does not run any more: %s", _name(job))
        else:
            if not self._ending:
                logger.warning("a consumer of the application ended, and does not run any more: %s", _name(job))

    async def end(self) -> None:
        """Waits for the consumers, which have been told, a while; then cancels those that still run."""
        self._ending = True
        for step in (lambda task: None, asyncio.Task.cancel):
            running = [task for task in self._tasks if not task.done()]
            if not running:
                return
            for task in running:
                step(task)
            await asyncio.wait(running, timeout=END_SECONDS)
        left = sum(not task.done() for task in self._tasks)
        if left:
            logger.error(
                "%d consumer(s) of the application have not ended though cancelled; it ends without them", left
            )


async def _in_loop(job: Callable[[], Any]) -> None:
    made = job()
    if not inspect.isawaitable(made):
        raise InvalidArgument(
            f"{_name(job)} returned {made!r}: give an async function, or one that returns a coroutine"
        )
    await made


async def _on_thread(job: Callable[[], Any]) -> None:
    """Calls it on a thread of its own: in a pool it would take a place from the requests for ever."""
    ended: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    begin_on_thread(job, "consumer", ended)
    await ended


def _name(job: Callable[[], Any]) -> str:
    inner: Any = job.func if isinstance(job, partial) else job
    owner = getattr(inner, "__self__", None)
    return str(owner.id if isinstance(owner, AsyncConsumer | Consumer) else getattr(inner, "__qualname__", job))
