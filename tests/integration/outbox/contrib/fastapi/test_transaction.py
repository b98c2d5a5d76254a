"""The transaction of a request: committed before the client hears of it, aborted when the handler raises."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Annotated, Any

import httpx2
import pytest
from fastapi import BackgroundTasks, Depends, FastAPI, HTTPException, Request, WebSocket
from fastapi.testclient import TestClient
from pymongo import MongoClient
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.client_session import ClientSession
from pymongo.database import Database

from outbox import AsyncOutbox, Outbox
from outbox.contrib.fastapi import lifespan, transaction
from outbox.errors import OutboxClosed, OutboxError, TransactionRequired
from tests.actors.order_service import MESSAGES, new_outbox, placed
from tests.actors.web_service import application, serving

Session = Annotated[AsyncClientSession, Depends(transaction)]
Again = Annotated[AsyncClientSession, Depends(transaction, use_cache=False)]


def customer(session: Session) -> AsyncClientSession:
    return session


Customers = Annotated[AsyncClientSession, Depends(customer)]


@pytest.fixture(autouse=True)
def created(database: Database[Any]) -> Iterator[None]:
    with new_outbox(database, sequence=False):
        yield


@pytest.fixture
def service(mongo_uri: str, database: Database[Any]) -> FastAPI:
    """An order service."""
    app = application(mongo_uri, database)

    @app.post("/orders/{number}", status_code=201)
    async def place(request: Request, number: int, session: Session) -> dict[str, int]:
        orders: AsyncOutbox = request.app.state.outbox
        await orders.client[database.name].orders.insert_one({"_id": number}, session=session)
        await orders.put(placed(number), session=session)
        if number == 404:
            raise HTTPException(404, "no such customer")
        if number == 500:
            raise ValueError("a bug")
        return {"placed": number}

    return app


def put(database: Database[Any]) -> list[int]:
    """The totals of what was put, in order."""
    with Outbox(database, messages=MESSAGES) as outbox:
        outbox.sequence()
        return [record.message.total for record in outbox.read()]


def test_a_request_commits_its_writes_and_its_message_before_the_client_hears_of_it(
    service: FastAPI, database: Database[Any]
) -> None:
    with serving(service) as client:
        for number in range(20):
            assert client.post(f"/orders/{number}").status_code == 201
            assert database.orders.count_documents({"_id": number}) == 1
    assert put(database) == [*range(20)]


@pytest.mark.parametrize("number", [404, 500])
def test_a_handler_that_raises_leaves_nothing(service: FastAPI, database: Database[Any], number: int) -> None:
    with serving(service) as client:
        assert client.post(f"/orders/{number}").status_code == number
    assert put(database) == []
    assert list(database.orders.find()) == []


def test_a_request_that_is_not_valid_or_whose_response_is_not_leaves_nothing(
    service: FastAPI, database: Database[Any]
) -> None:
    @service.post("/bad")
    async def bad(request: Request, session: Session) -> dict[str, int]:
        await request.app.state.outbox.put(placed(1), session=session)
        return {"a": "no number"}  # type: ignore[dict-item]  # it is what the test is about

    with serving(service) as client:
        assert client.post("/orders/none").status_code == 422
        assert client.post("/bad").status_code == 500
    assert put(database) == []


def test_a_commit_that_fails_is_told_to_the_client(service: FastAPI, database: Database[Any]) -> None:
    @service.post("/lost")
    async def lost(request: Request, session: Session) -> None:
        orders: AsyncOutbox = request.app.state.outbox
        await orders.put(placed(1), session=session)
        await orders.client.admin.command("killSessions", [session.session_id])  # as after an election

    with serving(service) as client:
        assert client.post("/lost").status_code == 500
        assert client.post("/orders/2").status_code == 201
    assert put(database) == [2]


def test_all_that_depends_on_it_in_a_request_has_one_session(service: FastAPI) -> None:
    @service.get("/same")
    async def same(one: Session, other: Again, third: Customers) -> bool:
        return one is other is third

    with serving(service) as client:
        assert client.get("/same").json() is True
        assert client.get("/same").json() is True


def test_a_handler_may_end_the_transaction_itself(service: FastAPI, database: Database[Any]) -> None:
    @service.post("/undecided")
    async def undecided(request: Request, session: Session) -> None:
        await request.app.state.outbox.put(placed(1), session=session)
        await session.abort_transaction()

    with serving(service) as client:
        assert client.post("/undecided").status_code == 200
    assert put(database) == []


def test_a_background_task_runs_after_the_commit(service: FastAPI, database: Database[Any]) -> None:
    seen: list[int] = []

    @service.post("/later")
    async def later(request: Request, session: Session, tasks: BackgroundTasks) -> None:
        await request.app.state.outbox.put(placed(7), session=session)
        tasks.add_task(lambda: seen.extend(put(database)))

    with serving(service) as client:
        assert client.post("/later").status_code == 200
    assert seen == [7]


def test_a_handler_that_is_cancelled_leaves_no_transaction_open(
    service: FastAPI, database: Database[Any], mongo: MongoClient[Any]
) -> None:
    @service.post("/cancelled")
    async def cancelled(request: Request, session: Session) -> None:
        await request.app.state.outbox.put(placed(1), session=session)
        task = asyncio.current_task()
        assert task is not None
        asyncio.get_running_loop().call_soon(task.cancel)
        await asyncio.Event().wait()

    with serving(service) as client:
        with contextlib.suppress(httpx2.HTTPError):
            client.post("/cancelled")
        assert open_transactions(mongo) == 0
    assert put(database) == []


def test_a_commit_goes_to_its_end_though_its_request_is_cancelled(
    service: FastAPI, database: Database[Any], mongo: MongoClient[Any]
) -> None:
    @service.post("/slow")
    async def slow(request: Request, session: Session) -> None:
        await request.app.state.outbox.put(placed(1), session=session)
        task = asyncio.current_task()
        assert task is not None
        asyncio.get_running_loop().call_later(0.1, task.cancel)

    fault = {"failCommands": ["commitTransaction"], "blockConnection": True, "blockTimeMS": 500}
    with serving(service) as client:
        mongo.admin.command("configureFailPoint", "failCommand", mode={"times": 1}, data=fault)
        with contextlib.suppress(httpx2.HTTPError):
            client.post("/slow")
        assert open_transactions(mongo) == 0
    assert put(database) == [1]


def open_transactions(mongo: MongoClient[Any]) -> int:
    status = mongo.admin.command("serverStatus")["transactions"]
    return int(status["currentOpen"])


def test_a_synchronous_handler_has_the_session_of_an_outbox(mongo_uri: str, database: Database[Any]) -> None:
    with MongoClient[Any](mongo_uri) as client:
        orders = Outbox(client[database.name], messages=MESSAGES)
        app = FastAPI(lifespan=lifespan(orders))

        @app.post("/orders/{number}", status_code=201)
        def place(number: int, session: Annotated[ClientSession, Depends(transaction)]) -> None:
            orders.put(placed(number), session=session)
            if number == 404:
                raise HTTPException(404)

        with serving(app) as web:
            assert [web.post(f"/orders/{number}").status_code for number in (1, 404, 2)] == [201, 404, 201]
    assert put(database) == [1, 2]


def test_a_mounted_application_takes_the_outbox_of_the_whole(service: FastAPI) -> None:
    part = FastAPI()

    @part.get("/")
    async def in_part(session: Session) -> bool:
        return session.in_transaction

    service.mount("/part", part)
    with serving(service) as client:
        assert client.get("/part/").json() is True


def test_without_the_lifespan_the_error_says_how_to_have_it() -> None:
    app = FastAPI()

    @app.get("/")
    async def handler(session: Session) -> None: ...

    with pytest.raises(TransactionRequired, match=r"lifespan=lifespan\(orders\)"):
        TestClient(app).get("/")


def test_a_web_socket_is_told_to_open_its_own_transactions(service: FastAPI) -> None:
    @service.websocket("/socket")
    async def socket(socket: WebSocket, session: Session) -> None: ...

    with (
        TestClient(service) as client,
        pytest.raises(TransactionRequired, match="one for each message"),
        client.websocket_connect("/socket"),
    ):
        pass


def test_a_fastapi_that_closes_no_stack_behind_the_handler_is_refused() -> None:
    request = Request({"type": "http", "app": FastAPI()})
    with pytest.raises(OutboxError, match="FastAPI 0.121 or newer"):
        asyncio.run(transaction(request))


def test_a_closed_outbox_does_not_start(mongo_uri: str, database: Database[Any]) -> None:
    with MongoClient[Any](mongo_uri) as client:
        orders = Outbox(client[database.name], messages=MESSAGES)
        orders.close()
        with pytest.raises(OutboxClosed), TestClient(FastAPI(lifespan=lifespan(orders))):
            pass
