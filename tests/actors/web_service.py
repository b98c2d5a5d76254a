"""Runs an application of FastAPI as a server does: uvicorn on a free port, on a thread; requests by sockets."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import httpx2
import uvicorn
from fastapi import FastAPI
from pymongo import AsyncMongoClient
from pymongo.database import Database
from starlette.applications import Starlette

from outbox import AsyncOutbox
from outbox.contrib.fastapi import lifespan
from tests.actors.order_service import MESSAGES
from tests.servers.ports import free_port
from tests.waiting import wait_until


def application(
    mongo_uri: str, database: Database[Any], jobs: Callable[[AsyncOutbox], list[Any]] = lambda _: []
) -> FastAPI:
    """An application on asyncio, which makes its client and the outbox of the order service in its own lifespan."""

    @contextlib.asynccontextmanager
    async def own(app: FastAPI) -> AsyncIterator[Any]:
        async with AsyncMongoClient[Any](mongo_uri) as client:
            orders = AsyncOutbox(client[database.name], messages=MESSAGES)
            async with lifespan(orders, consumers=jobs(orders))(app) as state:
                yield state

    return FastAPI(lifespan=own)


@contextlib.contextmanager
def serving(app: Starlette) -> Iterator[httpx2.Client]:
    """A client of the running application, which is shut down at the end."""
    config = uvicorn.Config(app, port=free_port(), log_config=None, lifespan="on", timeout_graceful_shutdown=3)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        wait_until(lambda: server.started or not thread.is_alive(), 30, "the application to start")
        assert server.started, "it did not start; the log says why"
        alone = httpx2.Limits(max_keepalive_connections=0)  # after an error the server closes the connection
        with httpx2.Client(limits=alone, base_url=f"http://127.0.0.1:{config.port}", timeout=30) as client:
            yield client
    finally:
        server.should_exit = True
        thread.join(30)
        assert not thread.is_alive()
