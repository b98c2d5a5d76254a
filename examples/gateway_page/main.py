"""A page that shows orders as they come: the shop's own web server has the page, and the gateway beside it."""

import os
import threading
import webbrowser
from pathlib import Path
from typing import Any

import uvicorn
from pydantic import BaseModel, Field
from pymongo import MongoClient
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Mount, Route

from outbox import Outbox, message
from outbox.gateway import application

PAGE = Path(__file__).with_name("page.html").read_text()


@message("order.placed", key="order_id")
class OrderPlaced(BaseModel):
    order_id: str
    pieces: int = Field(gt=0)


class Shop:
    """The web server of the shop."""

    def __init__(self, orders: Outbox) -> None:
        self.told = threading.Semaphore(0)
        self.gateway = application(orders)
        # One server for both, for a page of another origin is refused. Who may see the page may see the orders: with
        # tokens, which no EventSource can send, the server has to add them.
        routes = [Route("/", self.page), Route("/told", self.hear, methods=["POST"]), Mount("/", self.gateway)]
        self.app = Starlette(routes=routes, lifespan=self.gateway.router.lifespan_context)

    async def page(self, request: Request) -> Response:
        """The page itself."""
        return HTMLResponse(PAGE)

    async def hear(self, request: Request) -> Response:
        """What the page says of itself."""
        print((await request.body()).decode(), flush=True)
        self.told.release()
        return Response(status_code=204)


def main() -> None:
    client = MongoClient[dict[str, Any]](os.environ["MONGO_URI"])
    with client, Outbox(client.get_default_database("shop"), messages=[OrderPlaced]) as orders:
        orders.create()  # at deployment; here, too, for the example
        shop = Shop(orders)
        server = uvicorn.Server(uvicorn.Config(shop.app, port=0, log_level="error", timeout_graceful_shutdown=3))
        serving = threading.Thread(target=server.run)
        serving.start()
        while not server.started:
            serving.join(0.05)
        host, port = server.servers[0].sockets[0].getsockname()
        webbrowser.open(f"http://{host}:{port}")
        shop.told.acquire()  # it has begun
        for number in (1, 2, 3):
            orders.put(OrderPlaced(order_id=str(number), pieces=10 * number), standalone=True)
            shop.told.acquire()
        shop.gateway.state.gateway.leave()
        server.should_exit = True
        serving.join()


if __name__ == "__main__":
    main()
