"""Runs a projection on a thread, as a service does; and one of what customers have spent."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from outbox import Outbox, Projection, Record
from tests.actors.running import Running

State = dict[str, Any]


def add(state: State, record: Record[Any]) -> State:
    """Adds up the totals. It changes the state that it is given, as many do."""
    assert record.data is not None
    state["count"] = state.get("count", 0) + 1
    state["total"] = state.get("total", 0) + record.data["total"]
    return state


def add_twice(state: State, record: Record[Any]) -> State:
    """What another version of the program makes of the same messages."""
    state = add(state, record)
    return {**state, "double": 2 * state["total"]}


def revenue(orders: Outbox, **options: Any) -> Projection[State]:
    """The projection of these tests."""
    return orders.projection("revenue", **{"initial": dict, "apply": add, **options})


@contextmanager
def projecting(*projections: Projection[Any]) -> Iterator[list[Running]]:
    """Runs them inside the `with`. Raises at the end what one has raised, if nobody has looked at that."""
    works = [Running(projection.run) for projection in projections]
    for work in works:
        work.thread.start()
    seen: list[BaseException | None] = []
    try:
        yield works
        seen = [work.error for work in works]
    finally:
        for projection in projections:
            projection.stop()
        for work in works:
            work.thread.join(30)
    assert not any(work.thread.is_alive() for work in works), "it does not stop"
    for work in works:
        if work.error is not None and work.error not in seen:
            raise work.error


def caught_up(projection: Projection[Any]) -> None:
    """Runs it until all that was committed is in its states."""
    with projecting(projection):
        projection.wait_caught_up(60)
