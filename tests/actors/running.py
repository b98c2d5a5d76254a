"""Runs a consumer on a thread, as a service does, and keeps what that comes to."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from outbox import Consumer, Outbox, Record
from tests.waiting import wait_until


class Running:
    """A consumer at work on a thread of its own."""

    def __init__(self, run: Callable[[], None]) -> None:
        self.error: BaseException | None = None
        self._run = run
        self.thread = threading.Thread(target=self._work, daemon=True)

    def _work(self) -> None:
        try:
            self._run()
        except BaseException as error:  # noqa: BLE001  # the test looks at it
            self.error = error

    def fails(self) -> BaseException:
        """Waits until it has ended with an error, and returns that."""
        self.thread.join(30)
        assert self.error is not None, "it has not failed"
        return self.error


@contextmanager
def running(consumer: Consumer[Any], handle: Callable[..., object], *, batch: int | None = None) -> Iterator[Running]:
    """Runs it inside the `with`; `batch`: in transactions of so many records. Raises at the end what it has raised."""

    def run() -> None:
        if batch is None:
            consumer.run(handle)
        else:
            consumer.run_in_transaction(handle, batch=batch)

    work = Running(run)
    work.thread.start()
    seen = None
    try:
        yield work
        seen = work.error
    finally:
        consumer.stop()
        work.thread.join(30)
    assert not work.thread.is_alive(), "it does not stop"
    if work.error is not None and seen is None:
        raise work.error


WAYS = ("run", "run_in_transaction", "observe", "shares")


@contextmanager
def consuming(outbox: Outbox, way: str, handle: Callable[..., object]) -> Iterator[tuple[Consumer[Any], Running]]:
    """Runs a consumer in one of these ways inside the `with`. What it raises is in `Running.error`."""
    consumer = outbox.consumer("billing", shares=3 if way == "shares" else None)

    def run() -> None:
        match way:
            case "run_in_transaction":
                consumer.run_in_transaction(handle, batch=10)
            case "observe":
                _observe(consumer, handle)
            case _:
                consumer.run(handle)

    work = Running(run)
    work.thread.start()
    try:
        yield consumer, work
    finally:
        consumer.stop()
        work.thread.join(30)


def _observe(consumer: Consumer[Any], handle: Callable[..., object]) -> None:
    ended, errors = threading.Event(), list[Exception]()

    def see(record: Record[Any]) -> None:
        handle(record)
        consumer.ack(record)

    consumer.observe().subscribe(see, lambda error: (errors.append(error), ended.set()), ended.set)
    ended.wait()
    if errors:
        raise errors[0]


class Handled:
    """A handler that keeps what it is given, and fails as it is told."""

    def __init__(self, fails: Callable[[Record[Any]], Exception | None] = lambda _: None) -> None:
        self.records: list[Record[Any]] = []
        self.calls = 0
        self._fails = fails

    def __call__(self, record: Record[Any], *_: object) -> None:
        self.calls += 1
        error = self._fails(record)
        if error is not None:
            raise error
        self.records.append(record)

    @property
    def seqs(self) -> list[int]:
        return [record.seq for record in self.records]

    def sees(self, *seqs: int) -> None:
        wait_until(lambda: self.seqs == list(seqs), 30, f"{seqs}, not {self.seqs}")


def put(orders: Outbox, *messages: Any) -> None:
    """Puts each message, and numbers them."""
    for message in messages:
        orders.put(message, standalone=True)
    orders.sequence()
