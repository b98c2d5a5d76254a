"""Runs an outbox and its consumers for as long as an application of FastAPI runs."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

from anyio.to_thread import run_sync
from starlette.applications import Starlette

from outbox.aio import AsyncOutbox
from outbox.contrib.fastapi.consumers import Consuming, Job, checked
from outbox.errors import InvalidArgument
from outbox.outbox import Outbox

Lifespan = Callable[[Starlette], AbstractAsyncContextManager[Mapping[str, Any]]]


def lifespan(orders: AsyncOutbox | Outbox, consumers: Sequence[Job] = ()) -> Lifespan:
    """Makes the lifespan of an application: `FastAPI(lifespan=lifespan(orders, consumers=[…]))`.

    At startup it puts the outbox into `app.state.outbox`, where `transaction` finds it, and starts the consumers. At
    shutdown it lets the handlers end that run, for 2 s, cancels those that still run, and closes the outbox, not its
    client.

    consumers: each a pair of a consumer and its handler, for `consumer.run(handler)`; or a function without arguments
        for all else, such as `lambda: billing.run_in_transaction(bill)`. Those of an AsyncOutbox run as tasks of the
        loop, those of an Outbox on a thread each. One that fails is logged with its error, at once, and the
        application goes on without it.

    Raises InvalidArgument; at startup OutboxClosed, also when the outbox was made before a fork.
    """
    given: object = orders
    if not isinstance(given, AsyncOutbox | Outbox):
        raise InvalidArgument(f"lifespan({given!r}): give an AsyncOutbox or an Outbox")
    jobs = checked(orders, consumers)

    @contextlib.asynccontextmanager
    async def running(app: Starlette) -> AsyncIterator[Mapping[str, Any]]:
        orders.check_usable()
        app.state.outbox = orders
        consuming = Consuming(orders, jobs)
        try:
            yield {"outbox": orders}
        finally:
            try:
                await _close(orders)
            finally:
                await consuming.end()
                del app.state.outbox

    return running


async def _close(orders: AsyncOutbox | Outbox) -> None:
    if isinstance(orders, AsyncOutbox):
        await orders.close()
    else:
        await run_sync(orders.close)
