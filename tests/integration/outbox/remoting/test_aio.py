"""The client of a gateway for asyncio."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from outbox import InvalidConsumer, Record
from outbox.remoting.aio import AsyncRemoteOutbox
from tests.actors.gateway import Served
from tests.actors.order_service import MESSAGES, placed


def opened(served: Served) -> AsyncRemoteOutbox:
    return AsyncRemoteOutbox(str(served.client.base_url), messages=MESSAGES)


def test_it_puts_reads_and_observes(served: Served) -> None:
    async def main() -> None:
        async with opened(served) as remote:
            last = await asyncio.to_thread(served.put, 1)
            id = await remote.put(placed(2))
            await asyncio.to_thread(served.numbered)
            records = [record async for record in remote.read(last)]
            assert [each.message for each in records] == [placed(1), placed(2)]
            assert records[1].id == id
            async for record in remote.observe(last + 1):
                assert record.id == id
                break

    asyncio.run(main())


def test_it_handles_with_a_coroutine_until_it_is_stopped(served: Served, name: str) -> None:
    served.register(name)
    last = served.put(1, 2)

    async def main() -> None:
        seen: list[Record[Any]] = []
        stop = asyncio.Event()

        async def handle(record: Record[Any]) -> None:
            seen.append(record)
            if record.seq == last:
                stop.set()

        async with opened(served) as remote:
            consumer = remote.consumer(name)
            await asyncio.wait_for(consumer.run(handle, stop=stop), 30)
            assert [each.seq for each in seen] == [last - 1, last]
            assert await consumer.position() == last
            assert await consumer.forget()

    asyncio.run(main())


def test_a_function_that_is_none_of_asyncio_s_is_refused(served: Served) -> None:
    async def main() -> None:
        async with opened(served) as remote:
            with pytest.raises(InvalidConsumer, match="async"):
                await remote.consumer("a").run(lambda record: None)  # type: ignore[arg-type,return-value]  # refused

    asyncio.run(main())


def test_what_is_observed_is_acknowledged_by_the_program(served: Served, name: str) -> None:
    served.register(name)
    last = served.put(1, 2)

    async def main() -> None:
        async with opened(served) as remote:
            consumer = remote.consumer(name)
            async with consumer.observe() as records:
                async for record in records:
                    consumer.ack(record)
                    if record.seq == last:
                        break
            assert await consumer.position() == last

    asyncio.run(main())
