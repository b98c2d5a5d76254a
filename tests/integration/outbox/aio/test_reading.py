"""What can be read of an asynchronous outbox is refused at the call, not at the first record."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from outbox import AsyncOutbox, InvalidSelector, OutboxClosed, UnknownMessage
from tests.actors.asynchronous import Loops
from tests.actors.catalogue import Price
from tests.actors.projecting import add

Read = Callable[[AsyncOutbox, Any], object]

READS: dict[str, Read] = {
    "observe": lambda orders, types: orders.observe(types=types),
    "read": lambda orders, types: orders.read(types=types),
    "latest": lambda orders, types: orders.latest(types),
    "consumer": lambda orders, types: orders.consumer("billing", types=types),
    "projection": lambda orders, types: orders.projection("revenue", apply=add, types=types),
}


@pytest.mark.parametrize("read", READS.values(), ids=READS)
def test_wrong_types_are_refused_at_once(loops: Loops, read: Read) -> None:
    async def work(orders: AsyncOutbox) -> None:
        with pytest.raises(UnknownMessage):
            read(orders, [Price])
        with pytest.raises(InvalidSelector):
            read(orders, "order.placed")

    loops.run(work, sequence=False)


@pytest.mark.parametrize("read", READS.values(), ids=READS)
def test_a_closed_outbox_is_not_read(loops: Loops, read: Read) -> None:
    async def work(orders: AsyncOutbox) -> None:
        await orders.close()
        with pytest.raises(OutboxClosed):
            read(orders, None)

    loops.run(work, sequence=False)
