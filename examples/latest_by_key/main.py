"""A price list that is sent again and again: only what has changed becomes a message. Who comes late gets the newest
price of each article first, then each change.
"""

import os
import threading

from mongoengine import EmbeddedDocument, IntField, StringField
from pymongo import MongoClient

from outbox import Outbox, Record, message, tombstone


@message("price", key="sku", compact=True)
class Price(EmbeddedDocument):
    sku = StringField(required=True)
    cents = IntField(required=True)


client: MongoClient[dict[str, object]] = MongoClient(os.environ["MONGO_URI"])
catalogue = Outbox(client.get_default_database("shop"), "catalogue", messages=[Price])


def send(prices: dict[str, int]) -> None:
    """What a nightly job does with the whole list."""
    messages = [Price(sku=sku, cents=cents) for sku, cents in prices.items()]
    ids = catalogue.put(messages, standalone=True, if_changed=True)
    print(f"put {len(ids) - ids.count(None)} of {len(ids)}")


def show(record: Record[Price]) -> None:
    price = record.message
    print(f"{record.key}: {'no longer sold' if price is None else price.cents}")


def main() -> None:
    catalogue.create()
    with catalogue.running():  # numbers what is put, and keeps the view
        send({"pen": 120, "ink": 450, "pad": 300})
        id = catalogue.put(tombstone(Price, key="pad"), standalone=True)
        catalogue.wait_for(id, reader="latest:", timeout=60)
        send({"pen": 120, "ink": 450})

        seen = threading.Semaphore(0)

        def follow(record: Record[Price]) -> None:
            show(record)
            seen.release()

        subscription = catalogue.latest([Price]).subscribe(follow)
        seen.acquire()
        seen.acquire()
        send({"pen": 120, "ink": 480})
        seen.acquire()
        subscription.dispose()
    catalogue.close()


if __name__ == "__main__":
    main()
