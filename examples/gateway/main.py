"""A shop's outbox over HTTP: a warehouse that has no MongoDB posts messages, and handles what comes."""

import os
import threading
from typing import Any

import uvicorn
from pydantic import BaseModel, Field
from pymongo import MongoClient

from outbox import InvalidMessage, Outbox, Record, message, remote
from outbox.gateway import application


@message("order.placed", key="order_id")
class OrderPlaced(BaseModel):
    order_id: str
    pieces: int = Field(gt=0)


@message("order.shipped", key="order_id")
class OrderShipped(BaseModel):
    order_id: str


def warehouse(url: str) -> None:
    """Knows the address of the gateway, and nothing of the database."""
    with remote(url, messages=[OrderPlaced, OrderShipped]) as orders:
        shipping = orders.consumer("shipping", types=[OrderPlaced])

        def ship(record: Record[OrderPlaced]) -> None:
            assert record.message is not None
            print(f"shipping order {record.message.order_id}, seq {record.seq}: {record.message.pieces} pieces")
            orders.put(OrderShipped(order_id=record.message.order_id), headers={"source": "warehouse"})
            if record.seq == 2:
                shipping.stop()

        shipping.run(ship)
        print("acknowledged up to seq", shipping.position())
        try:
            orders.put(OrderPlaced.model_construct(order_id="3", pieces=0))
        except InvalidMessage as refused:
            print("refused:", str(refused).split(":")[0])


def main() -> None:
    client = MongoClient[dict[str, Any]](os.environ["MONGO_URI"])
    with client, Outbox(client.get_default_database("shop"), messages=[OrderPlaced, OrderShipped]) as orders:
        orders.create()  # at deployment; here, too, for the example
        for number in (1, 2):
            orders.put(OrderPlaced(order_id=str(number), pieces=10 * number), standalone=True)
        # In production: `outbox serve shop:orders --tokens FILE`.
        app = application(orders)
        server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error", timeout_graceful_shutdown=3))
        serving = threading.Thread(target=server.run)
        serving.start()
        while not server.started:
            serving.join(0.05)
        host, port = server.servers[0].sockets[0].getsockname()
        warehouse(f"http://{host}:{port}")
        server.should_exit = True
        serving.join()
        shipped = [record for record in orders.read() if record.type == "order.shipped"]
        print("shipped:", [record.key for record in shipped], "from", {record.headers["source"] for record in shipped})


if __name__ == "__main__":
    main()
