"""A service that gives the numbers of its outbox to Prometheus, beside its own: it puts, bills, and is scraped."""

import os
import urllib.request

from mongoengine import EmbeddedDocument, StringField
from prometheus_client import REGISTRY, start_http_server
from pymongo import MongoClient

from outbox import Outbox, Record, message
from outbox.metrics import OutboxCollector

SHOWN = (
    "outbox_put_messages_total", "outbox_log_head_seq", "outbox_reader_lag_records", "outbox_handled_messages_total",
    "outbox_handle_seconds_count",
)  # fmt: skip


@message("order.placed", key="order_id")
class OrderPlaced(EmbeddedDocument):
    order_id = StringField(required=True)


@message("order.cancelled", key="order_id")
class OrderCancelled(EmbeddedDocument):
    order_id = StringField(required=True)


client: MongoClient[dict[str, object]] = MongoClient(os.environ["MONGO_URI"])
orders = Outbox(client.get_default_database("shop"), "orders", messages=[OrderPlaced, OrderCancelled])
billing = orders.consumer("billing", types=[OrderPlaced])


def bill(record: Record[OrderPlaced]) -> None:
    if record.seq == 3:
        billing.stop()


def scrape(port: int) -> None:
    """What Prometheus sees, a part of it."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
        for line in answer.read().decode().splitlines():
            if line.startswith(SHOWN):
                print(line)


def main() -> None:
    orders.create()
    REGISTRY.register(OutboxCollector(orders))  # one collector, for all outboxes of the service
    server, _ = start_http_server(0, addr="127.0.0.1")  # a service has a port of its own: 9464, say

    print("# before anything was put")
    scrape(server.server_port)

    orders.put([OrderPlaced(order_id=id) for id in ("1", "2", "3")], standalone=True)
    billing.run(bill)

    print("# three orders were put and billed")
    scrape(server.server_port)
    server.shutdown()


if __name__ == "__main__":
    try:
        main()
    finally:
        orders.close()
        client.close()
