"""A shop whose work is done by Celery: a consumer sends a task for each message, by the message's id.

Everything is sent once more at the end, as after a crash: the tasks run again, and change nothing.
"""

import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bson import ObjectId
from celery import Celery
from pydantic import BaseModel
from pymongo import MongoClient

from outbox import Inbox, Outbox, Record, message

app = Celery("shop")
app.config_from_object("celeryconfig")


@message("order.placed", key="order_id")
class OrderPlaced(BaseModel):
    order_id: str
    total: int


def forward(record: Record[OrderPlaced]) -> None:
    """Acknowledged when the broker has taken the task."""
    assert record.message is not None
    app.send_task("bill", args=[record.message.order_id, record.message.total], task_id=str(record.id))


def forward_all(orders: Outbox) -> None:
    """What a process of its own does for ever."""
    billing = orders.consumer("billing", types=[OrderPlaced], attempts=None)  # a broker may be away for long
    working = threading.Thread(target=billing.run, args=(forward,))
    working.start()
    billing.wait_caught_up(60)
    billing.stop()
    working.join()


def outcome(id: ObjectId) -> Any:
    """What the task of a message returned; it has the message's id."""
    result = app.AsyncResult(str(id))
    returned = result.get(timeout=60, interval=0.05)
    result.forget()
    return returned


@contextmanager
def worker() -> Iterator[None]:
    """As typed into another shell."""
    command = "celery --quiet -A tasks worker --concurrency 2 --without-mingle --without-gossip --loglevel ERROR"
    process = subprocess.Popen(
        [sys.executable, "-m", *command.split()], cwd=Path(__file__).parent, stdout=subprocess.DEVNULL
    )
    try:
        yield
    finally:
        process.terminate()  # waits for the tasks that run
        process.wait()


def main() -> None:
    with MongoClient[dict[str, Any]](os.environ["MONGO_URI"]) as client:
        shop = client.get_default_database("shop")
        Inbox(shop).create()
        with Outbox(shop, messages=[OrderPlaced]) as orders, worker():
            orders.create()
            placed = [OrderPlaced(order_id=str(number), total=100 * number) for number in (1, 2, 3)]
            with client.start_session() as session, session.start_transaction():
                shop.orders.insert_many([{"_id": order.order_id} for order in placed], session=session)
                ids = orders.put(placed, session=session)
            forward_all(orders)
            print("once:", [outcome(id) for id in ids])

            orders.consumer("billing").reset("earliest")
            forward_all(orders)
            print("again:", [outcome(id) for id in ids])
        print("invoices:", sorted(invoice["order"] for invoice in shop.invoices.find()))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as queue:
        os.environ["QUEUE"] = queue
        main()
