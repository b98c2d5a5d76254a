"""What is kept for clients that are not registered."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from outbox import Outbox
from outbox.gateway.answers import Refusal
from outbox.gateway.delivery.live import Live
from tests.actors.gateway import Served
from tests.waiting import wait_until

pytestmark = pytest.mark.usefixtures("served")


@contextmanager
def begun(orders: Outbox, most_bytes: int = 1 << 20) -> Iterator[Live]:
    live, loop = Live(orders, most_bytes), asyncio.new_event_loop()
    live.begin(loop)
    try:
        yield live
    finally:
        live.close()
        loop.close()


def seqs(live: Live, after: int, wants: Callable[[object], bool] = lambda record: True, limit: int = 99) -> list[int]:
    return [each.seq for each in live.take(after, wants, limit).entries]


def put(served: Served, live: Live, *totals: int) -> int:
    last = served.put(*totals)
    wait_until(lambda: live.head == last)
    return last


def test_many_clients_are_given_the_same_each_from_where_it_is(served: Served, orders: Outbox) -> None:
    with begun(orders) as live:
        last = put(served, live, 1, 2, 3)

        assert seqs(live, last - 3) == [last - 2, last - 1, last]
        assert seqs(live, last - 1) == [last]
        assert seqs(live, last) == []
        assert live.take(last - 3, lambda record: True, 2).next == last - 1


def test_what_is_too_much_is_forgotten_and_counted_for_who_has_not_seen_it(served: Served, orders: Outbox) -> None:
    with begun(orders, most_bytes=300) as live:
        last = put(served, live, *range(9))
        some = live.take(last - 9, lambda record: True, 99)

    assert len(some.entries) + some.skipped == 9
    assert 0 < len(some.entries) < 3


def test_who_waits_is_woken(served: Served, orders: Outbox) -> None:
    async def main() -> None:
        live, loop = Live(orders), asyncio.get_running_loop()
        await asyncio.to_thread(live.begin, loop)
        seen = live.head
        assert not await live.changed(seen, loop.time() + 0.05)
        waiting = [asyncio.ensure_future(live.changed(seen, loop.time() + 20)) for _ in range(3)]
        await asyncio.sleep(0)
        assert live.waiting == 3
        await asyncio.to_thread(served.put, 1)
        assert await asyncio.gather(*waiting) == [True] * 3
        live.close()
        assert await live.changed(live.head, loop.time() + 20)

    asyncio.run(main())


def test_closed_it_says_so(orders: Outbox) -> None:
    with begun(orders) as live:
        live.close()
        with pytest.raises(Refusal, match="ends"):
            live.take(0, lambda record: True, 1)
