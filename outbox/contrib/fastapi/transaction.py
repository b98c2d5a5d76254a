"""Gives a request its transaction: committed when the handler returns, aborted when it raises."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any, TypeVar

import anyio
from anyio.to_thread import run_sync
from pymongo import ReadPreference, WriteConcern
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.client_session import ClientSession
from pymongo.read_concern import ReadConcern
from starlette.requests import HTTPConnection

from outbox.aio import AsyncOutbox
from outbox.contrib.fastapi.fastapi_internals import function_stack
from outbox.errors import TransactionRequired
from outbox.mongo.calls import time_limit
from outbox.outbox import Outbox

T = TypeVar("T")

COMMIT_SECONDS = 15.0
"""The longest that a commit may take, with the one repetition that is the driver's."""
_SESSION = "outbox.contrib.fastapi.session"
_OPTIONS: dict[str, Any] = {
    "read_concern": ReadConcern("snapshot"),
    "write_concern": WriteConcern("majority"),
    "read_preference": ReadPreference.PRIMARY,
}


async def transaction(connection: HTTPConnection) -> Any:
    """Gives a handler the session of this request's transaction, as `Depends(transaction)`; it is one a request.

    An AsyncClientSession of the AsyncOutbox that `lifespan` was given, or a ClientSession of the Outbox. Committed when
    the handler has returned, with a majority, before anything is sent: who is told of success can count on it. Aborted
    when the handler or another dependency raises, HTTPException included, or is cancelled. Nothing is tried again: a
    failed commit and a write conflict are errors of pymongo. A response that streams is made after the commit, and
    background tasks run after it, with no session. Raises TransactionRequired without `lifespan`, and in a WebSocket.
    """
    if connection.scope["type"] != "http":
        raise TransactionRequired(
            "Depends(transaction) in a WebSocket: a connection lives longer than a transaction may, a minute. Open "
            "one for each message: `async with client.start_session() as session, await session.start_transaction():`"
        )
    stack = function_stack(connection)
    of, session = connection.scope.get(_SESSION, (None, None))
    if of is not stack:  # with use_cache=False FastAPI asks more than once
        session = await stack.enter_async_context(_transaction(_outbox(connection)))
        connection.scope[_SESSION] = stack, session
    return session


def _outbox(connection: HTTPConnection) -> AsyncOutbox | Outbox:
    # A mounted application has a state of its own, but the scope's is that of the whole.
    found = getattr(connection.app.state, "outbox", None) or connection.scope.get("state", {}).get("outbox")
    if not isinstance(found, AsyncOutbox | Outbox):
        raise TransactionRequired(
            "Depends(transaction), but the application has no outbox: make it by FastAPI(lifespan=lifespan(orders)). A "
            "lifespan of your own enters that one: `async with lifespan(orders)(app) as state: yield state`. A test "
            "runs it by `with TestClient(app) as client:`"
        )
    return found


def _transaction(orders: AsyncOutbox | Outbox) -> contextlib.AbstractAsyncContextManager[Any]:
    orders.check_usable()
    return _native(orders) if isinstance(orders, AsyncOutbox) else _on_threads(orders)


@contextlib.asynccontextmanager
async def _native(orders: AsyncOutbox) -> AsyncIterator[AsyncClientSession]:
    session = orders.client.start_session()
    try:
        await session.start_transaction(**_OPTIONS)
        yield session
        if session.in_transaction:  # the handler may have aborted it itself
            await _to_its_end(session.commit_transaction())
    finally:
        await _to_its_end(session.end_session())  # which aborts what is not committed


@contextlib.asynccontextmanager
async def _on_threads(orders: Outbox) -> AsyncIterator[ClientSession]:
    session = orders.collections.client.start_session()
    try:
        session.start_transaction(**_OPTIONS)
        yield session
        if session.in_transaction:
            await _to_its_end(_on_thread(session.commit_transaction))
    finally:
        await _to_its_end(_on_thread(session.end_session))


async def _on_thread(call: Callable[[], T]) -> T:
    return await run_sync(call)


async def _to_its_end(work: Coroutine[Any, Any, T]) -> T:
    """Awaits it to its end also when the request is cancelled, by asyncio or by anyio; then raises CancelledError.

    A commit that is left halfway may have been done or not, and a transaction that nobody aborts keeps its documents
    locked for a minute.
    """
    with time_limit(COMMIT_SECONDS):
        task = asyncio.ensure_future(work)  # takes the time limit along, in its context
    cancelled: BaseException | None = None
    with anyio.CancelScope(shield=True):
        while not task.done():
            try:
                await asyncio.wait((task,))
            except asyncio.CancelledError as error:
                cancelled = error
    result = task.result()
    if cancelled is not None:
        raise cancelled
    return result
