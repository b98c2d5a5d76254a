"""A service whose messages some sinks refuse, for the tests of what a relay then does."""

from __future__ import annotations

from typing import Any

from bson import ObjectId
from mongoengine import EmbeddedDocument, FloatField, StringField  # type: ignore[import-untyped]  # has no types
from pymongo.database import Database

from outbox import Outbox, message
from outbox.clock import SystemClock
from outbox.dead_letters.admin import DeadLetterAdmin
from outbox.dead_letters.policy import OnPoison
from outbox.delivery.durable_reader import DurableReader
from outbox.log.reader_id import relay_id
from outbox.shares.cursor_admin import forget, move
from relay import Relay
from relay.errors import Verdict
from relay.testing import MemoryRecord, MemorySink, MemoryTransactions
from tests.actors.memory_consumer import MemoryConsumer, TransactionalConsumer
from tests.actors.order_service import foreign
from tests.waiting import wait_until

Document = dict[str, Any]
Receiver = MemorySink | MemoryConsumer


@message("price.set", key="sku")
class PriceSet(EmbeddedDocument):  # type: ignore[misc]  # mongoengine ships no types
    sku = StringField()
    price = FloatField()


def new_prices(database: Database[Document], name: str = "outbox", **options: Any) -> Outbox:
    """Creates an outbox for prices."""
    prices = Outbox(database, name, messages=[PriceSet], **options)
    prices.create()
    return prices


def priced(sku: str | None, price: float) -> Document:
    """A staging document as another language would insert it: of any price, and without a key if there is no `sku`."""
    data = {"price": price} if sku is None else {"sku": sku, "price": price}
    return foreign(type="price.set", key=sku, data=data)


def put(prices: Outbox, *skus: str | None, price: float = 1.0) -> list[ObjectId]:
    """Puts and numbers a price for each sku, while no relay works. Returns the message ids, in order of seq."""
    wanted = prices.log.head() + len(skus)
    documents = [priced(sku, price) for sku in skus]
    prices.collections.staging.insert_many(documents)

    def done() -> bool:
        prices.sequence()  # 0 as long as the sequencer of a relay that has just ended still has the lease
        return prices.log.head() >= wanted

    wait_until(done, 30, "the messages to be numbered")
    return [document["_id"] for document in documents]


def relay(prices: Outbox, sink: MemorySink, on_poison: OnPoison = "park-key", **options: Any) -> Relay:
    """A relay that never waits longer than it must."""
    return Relay(prices, sink, on_poison=on_poison, chance=lambda: 0.0, **options)


def reader(prices: Outbox, receiver: Receiver) -> Relay | DurableReader[Any]:
    """A relay, or a consumer, that puts aside what is refused, with its key."""
    if isinstance(receiver, MemorySink):
        return relay(prices, receiver)
    return receiver.reader(prices, "park-key")


def reader_of(receiver: Receiver) -> str:
    """The id of what delivers to it."""
    return relay_id("kafka") if isinstance(receiver, MemorySink) else "consumer:kafka"


def is_exact(receiver: Receiver) -> bool:
    """Whether nothing may arrive twice."""
    return isinstance(receiver, (MemoryTransactions, TransactionalConsumer))


def admin(prices: Outbox, receiver: Receiver) -> DeadLetterAdmin:
    """What the commands `relay dead` and `outbox dead APP` call."""
    return DeadLetterAdmin(prices.collections, reader_of(receiver))


def refuse(sink: Receiver, *seqs: int) -> None:
    """Makes the sink refuse these records for good, and no others."""
    sink.refused = dict.fromkeys(seqs, Verdict.POISON)


def dead_letter_admin(prices: Outbox, name: str = "kafka") -> DeadLetterAdmin:
    """What the commands `relay dead` call."""
    return DeadLetterAdmin(prices.collections, relay_id(name))


def arrived(sink: Receiver) -> list[tuple[str | None, int]]:
    """Key and seq of each record, in order of arrival."""
    return [(_key(record), record.seq) for record in sink.records]


def _key(record: MemoryRecord) -> str | None:
    return None if record.key is None else record.key.decode()


def states(prices: Outbox, reader: str = "relay:kafka") -> dict[int, str]:
    """seq → state of a reader's letters."""
    letters = prices.collections.dead.find({"reader": reader}, {"seq": 1, "state": 1}, sort=[("seq", 1)])
    return {letter["seq"]: letter["state"] for letter in letters}


def make_anew(prices: Outbox, reader: str = "relay:kafka") -> None:
    """Makes the log anew, as docs/restores.md says to when there is none; earlier letters stay."""
    prices.collections.log.drop()
    forget(prices.collections, reader, SystemClock())
    prices.create()
    move(prices.collections, reader, 0, SystemClock())


def sent(sink: Receiver) -> list[str]:
    """The ids of what arrived, in order."""
    return [dict(record.headers)["id"].decode() for record in sink.records]
