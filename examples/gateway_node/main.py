"""A shop serves its outbox over HTTP, and a worker in Node handles what comes."""

import os
import subprocess
import threading
from pathlib import Path
from typing import Any

import uvicorn
from pydantic import BaseModel, Field
from pymongo import MongoClient

from outbox import Outbox, message
from outbox.gateway import application


@message("order.placed", key="order_id")
class OrderPlaced(BaseModel):
    order_id: str
    pieces: int = Field(gt=0)


@message("order.shipped", key="order_id")
class OrderShipped(BaseModel):
    order_id: str


def main() -> None:
    client = MongoClient[dict[str, Any]](os.environ["MONGO_URI"])
    with client, Outbox(client.get_default_database("shop"), messages=[OrderPlaced, OrderShipped]) as orders:
        orders.create()  # at deployment; here, too, for the example
        for number in (1, 2):
            orders.put(OrderPlaced(order_id=str(number), pieces=10 * number), standalone=True)
        # In production: `outbox serve shop:orders --tokens FILE`, and the worker on a machine of its own.
        app = application(orders)
        server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error", timeout_graceful_shutdown=3))
        serving = threading.Thread(target=server.run)
        serving.start()
        while not server.started:
            serving.join(0.05)
        host, port = server.servers[0].sockets[0].getsockname()
        gateway = {"GATEWAY": f"http://{host}:{port}"}
        subprocess.run(["node", "worker.mjs"], cwd=Path(__file__).parent, env={**os.environ, **gateway}, check=True)
        app.state.gateway.leave()
        server.should_exit = True
        serving.join()
        print("board has seen all up to seq", orders.consumer("anonymous.board").position())


if __name__ == "__main__":
    main()
