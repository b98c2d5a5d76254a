"""The relay inside a service's own process, on a thread, instead of the command `relay run`."""

import os
import threading
from concurrent.futures import Future, ThreadPoolExecutor

from confluent_kafka import Consumer
from mongoengine import EmbeddedDocument, StringField
from pymongo import MongoClient

from outbox import Outbox, message
from relay import KafkaSink, NewTopics, Relay


@message("user.registered", key="email")
class UserRegistered(EmbeddedDocument):
    email = StringField(required=True)


client: MongoClient[dict[str, object]] = MongoClient(os.environ["MONGO_URI"])
service = client.get_default_database("shop")
outbox = Outbox(service, messages=[UserRegistered])


def main() -> None:
    outbox.create()
    sink = KafkaSink(os.environ["KAFKA"], create=NewTopics(partitions=1, replication=1))
    relay = Relay(outbox, sink)
    stop = threading.Event()
    with ThreadPoolExecutor(1) as executor:
        relaying = executor.submit(relay.run, stop)
        try:
            for email in ("ada@example.org", "bob@example.org", "eve@example.org"):
                outbox.put(UserRegistered(email=email), headers={"source": "sign-up"}, standalone=True)
            show(3, relaying)
        finally:
            stop.set()  # delivers what is in flight, saves the cursor, gives the lease back
        relaying.result()  # raises what stopped the relay before its time: that needs a person, so let it be heard
    print("cursor:", outbox.status().cursors[0].seq)
    outbox.close()


def show(count: int, relaying: Future[None]) -> None:
    """Prints the first records of the topic."""
    settings = {"bootstrap.servers": os.environ["KAFKA"], "group.id": service.name, "auto.offset.reset": "earliest"}
    consumer = Consumer(settings)
    consumer.subscribe([f"{service.name}.{outbox.name}"])
    while count and not relaying.done():
        record = consumer.poll(1.0)
        if record is not None and not record.error():
            headers = dict(record.headers() or [])
            print(f"seq {text(headers['seq'])}, key {text(record.key())}: {text(record.value())}")
            count -= 1
    consumer.close()


def text(value: object) -> str:
    """Every key, header and JSON value of a relay's records is UTF-8."""
    assert isinstance(value, bytes)
    return value.decode()


if __name__ == "__main__":
    main()
