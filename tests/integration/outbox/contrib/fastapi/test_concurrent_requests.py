"""Many requests at a time, of which some are refused and some lose their client: what was committed has its message."""

from __future__ import annotations

import asyncio
import json
import os
import random
from typing import Annotated, Any
from urllib.parse import urlsplit

import pytest
from fastapi import Depends, HTTPException, Request
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.database import Database

from outbox import AsyncOutbox
from outbox.contrib.fastapi import transaction
from tests.actors.order_service import new_outbox, placed
from tests.actors.web_service import application, serving

REQUESTS = int(os.environ.get("OUTBOX_TEST_REQUESTS", "600"))
AT_A_TIME = 64


@pytest.mark.heavy
def test_64_requests_at_a_time_leave_a_message_for_each_order_and_none_for_another(
    mongo_uri: str, database: Database[Any]
) -> None:
    app = application(mongo_uri, database)

    @app.post("/{number}", status_code=201)
    async def place(
        request: Request, number: int, session: Annotated[AsyncClientSession, Depends(transaction)]
    ) -> dict[str, int]:
        orders: AsyncOutbox = request.app.state.outbox
        await orders.client[database.name].orders.insert_one({"_id": number}, session=session)
        await orders.put(placed(number, str(number)), session=session)
        await asyncio.sleep(random.random() / 50)  # the clients leave meanwhile, too
        if number % 5 == 1:
            raise HTTPException(409)
        if number % 5 == 2:
            raise ValueError("a bug")
        return {"placed": number}

    database.create_collection("orders")  # else the first transactions would all make it, and conflict
    with new_outbox(database, sequence=False) as orders:
        with serving(app) as client:
            told = asyncio.run(_all(urlsplit(str(client.base_url)).port or 0))
        committed = {order["_id"] for order in database.orders.find()}
        orders.sequence()
        messages = [record.message.total for record in orders.read()]

    assert len(messages) == len(set(messages))
    assert set(messages) == committed
    refused = {number for number in range(REQUESTS) if number % 5 in (1, 2)}
    assert committed.isdisjoint(refused)
    assert {number for number, status in told.items() if status == 201} <= committed
    assert {status for number, status in told.items() if number in refused} <= {409, 500, None}
    assert {status for number, status in told.items() if number not in refused} <= {201, None}
    assert sum(status == 201 for status in told.values()) >= REQUESTS // 5
    assert sum(status is None for status in told.values()) >= REQUESTS // 10, "too few clients left"


async def _all(port: int) -> dict[int, int | None]:
    """The status that each client was told; None: it had left."""
    numbers = iter(range(REQUESTS))
    told: dict[int, int | None] = {}

    async def client() -> None:
        for number in numbers:
            told[number] = await _request(port, number)

    await asyncio.gather(*(client() for _ in range(AT_A_TIME)))
    return told


async def _request(port: int, number: int) -> int | None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(
            f"POST /{number} HTTP/1.1\r\nHost: test\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode()
        )
        await writer.drain()
        if number % 3 == 0:  # this client leaves before it is answered
            await asyncio.sleep(random.random() / 50)
            writer.transport.abort()
            return None
        answer = await reader.read()
        status = int(answer.split(None, 2)[1])
        if status == 201:
            assert json.loads(answer.partition(b"\r\n\r\n")[2]) == {"placed": number}
        return status
    finally:
        writer.close()
