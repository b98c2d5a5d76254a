"""Projections under asyncio: states are kept on a thread, and asked for without holding up the loop."""

from __future__ import annotations

import asyncio
import inspect
from typing import Any

import pytest

from outbox import (
    AsyncOutbox,
    AsyncProjection,
    InvalidProjection,
    PoisonMessage,
    Projection,
    ProjectionDiffers,
    UnknownReader,
    WaitTimeout,
)
from outbox.projections import projection as synchronous
from tests.actors.asynchronous import Loops, threads, until
from tests.actors.order_service import placed
from tests.actors.projecting import State, add, add_twice


def revenue(orders: AsyncOutbox, **options: Any) -> AsyncProjection[State]:
    return orders.projection("revenue", **{"apply": add, **options})


async def put(orders: AsyncOutbox, *totals: int) -> None:
    await orders.put([placed(total, f"k{total % 7}") for total in totals], standalone=True)


async def caught_up(projection: AsyncProjection[State]) -> None:
    """Runs it until all that was committed is in its states."""
    running = asyncio.ensure_future(projection.run())
    waiting = asyncio.ensure_future(projection.wait_caught_up(60))
    await asyncio.wait((running, waiting), return_when=asyncio.FIRST_COMPLETED)
    projection.stop()
    await running
    await waiting


def test_its_states_hold_each_message_once_and_are_verified(loops: Loops) -> None:
    async def work(orders: AsyncOutbox) -> None:
        await put(orders, 10, 20)
        projection = revenue(orders)
        await caught_up(projection)
        await put(orders, 30)
        await caught_up(projection)
        assert await projection.state() == {"count": 3, "total": 60}
        assert await projection.position() == 3
        await projection.verify()
        orders._outbox.collections.states.update_one({"_id": "revenue"}, {"$set": {"state.total": 61}})
        with pytest.raises(ProjectionDiffers, match="total"):
            await projection.verify()
        assert await projection.reset("earliest") == 0
        assert await projection.forget()
        assert await projection.state() is None

    loops.run(work)


def test_states_come_page_by_page_in_the_order_of_their_keys(loops: Loops, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(synchronous, "_PAGE", 3)

    async def work(orders: AsyncOutbox) -> None:
        await put(orders, *range(1, 15))
        projection = revenue(orders, by="key")
        await caught_up(projection)
        found = [(key, state["count"]) async for key, state in projection.states()]
        assert found == [(f"k{number}", 2) for number in range(7)]
        assert [key async for key, _ in revenue(orders).states()] == [key for key, _ in found]
        async for key, _ in projection.states():
            assert key == "k0"
            break

    loops.run(work)


def test_states_of_a_higher_version_are_made_anew_and_so_is_what_rebuild_is_asked_for(loops: Loops) -> None:
    async def work(orders: AsyncOutbox) -> None:
        with pytest.raises(UnknownReader):
            await revenue(orders).rebuild()
        await put(orders, 10, 20)
        await caught_up(revenue(orders))
        newer = revenue(orders, apply=add_twice, version=2)
        with pytest.raises(WaitTimeout, match="no states of version 2"):
            await newer.wait_caught_up(0.1)
        await caught_up(newer)
        assert await newer.state() == {"count": 2, "total": 30, "double": 60}
        running = asyncio.ensure_future(newer.run())
        assert await newer.rebuild()
        assert await newer.state() == {"count": 2, "total": 30, "double": 60}
        newer.stop()
        await running

    loops.run(work)


@pytest.mark.parametrize("ending", ["cancelled", "event", "closed"])
def test_a_run_ends_with_its_task_its_event_and_its_outbox(loops: Loops, ending: str) -> None:
    async def work(orders: AsyncOutbox) -> None:
        projection, stop = revenue(orders), asyncio.Event()
        running = asyncio.ensure_future(projection.run(stop))
        await projection.wait_caught_up(30)
        began = asyncio.get_running_loop().time()
        if ending == "cancelled":
            running.cancel()
        elif ending == "event":
            stop.set()
        else:
            await orders.close()
        await asyncio.wait((running,))
        assert asyncio.get_running_loop().time() - began < 15
        assert running.cancelled() == (ending == "cancelled")
        if ending != "cancelled":
            running.result()
        await until(lambda: "outbox-revenue" not in threads(), "its thread to end")

    loops.run(work)


def test_an_error_of_apply_is_raised_where_it_is_run(loops: Loops) -> None:
    def failing(state: State, record: Any) -> State:
        raise ZeroDivisionError

    async def work(orders: AsyncOutbox) -> None:
        await put(orders, 1)
        with pytest.raises(PoisonMessage):
            await revenue(orders, apply=failing).run()

    loops.run(work)


def test_what_cannot_be_run_is_refused(loops: Loops) -> None:
    async def awaited(state: State, record: Any) -> State:
        return state

    async def work(orders: AsyncOutbox) -> None:
        with pytest.raises(InvalidProjection, match="give a plain function"):
            revenue(orders, apply=awaited)
        wrong: Any = True
        with pytest.raises(InvalidProjection, match=r"asyncio\.Event"):
            await revenue(orders).run(wrong)
        with pytest.raises(InvalidProjection, match=r"asyncio\.Event"):
            await revenue(orders).rebuild(wrong)

    loops.run(work, sequence=False)


def test_it_has_what_a_projection_has() -> None:
    """Left out: what only the outbox calls."""
    own = {"join", "page", "is_made", "not_made"}
    for name, method in inspect.getmembers(Projection, inspect.isfunction):
        if not name.startswith("_") and name not in own:
            twin = getattr(AsyncProjection, name)
            assert list(inspect.signature(twin).parameters) == list(inspect.signature(method).parameters), name
