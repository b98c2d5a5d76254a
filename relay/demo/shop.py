"""The demo's order service: threads that change orders and put a message about it in the same transaction."""

from __future__ import annotations

import random
import threading
import time
from dataclasses import dataclass, field
from typing import Any

from bson import ObjectId
from mongoengine import Decimal128Field, EmbeddedDocument, StringField  # type: ignore[import-untyped]  # it has no types
from pymongo.client_session import ClientSession
from pymongo.database import Database

from outbox import Outbox, message

THREADS = 4
_OPEN_ORDERS = 8
"""How many orders a thread works on at a time."""
_DECLINED = 0.1
"""The share of its transactions that the service aborts."""


@message("order.placed", key="order")
class OrderPlaced(EmbeddedDocument):  # type: ignore[misc]  # as above
    order = StringField(required=True)
    customer = StringField(required=True)
    total = Decimal128Field(required=True, min_value=0)


@message("order.paid", key="order")
class OrderPaid(EmbeddedDocument):  # type: ignore[misc]  # as above
    order = StringField(required=True)
    method = StringField(required=True, choices=("card", "invoice"))


@message("order.shipped", key="order")
class OrderShipped(EmbeddedDocument):  # type: ignore[misc]  # as above
    order = StringField(required=True)
    parcel = StringField(required=True)


MESSAGES = (OrderPlaced, OrderPaid, OrderShipped)


class Declined(Exception):
    """The service's own reason to abort: after the message was put, so that an aborted message could leak."""


@dataclass
class Ledger:
    """What the service knows of its own transactions, to compare with what arrives. Thread-safe."""

    by_key: dict[str, list[str]] = field(default_factory=dict)
    """The committed message ids of each order, in the order of its transactions."""
    aborted: set[str] = field(default_factory=set)
    """The ids of messages whose transaction was aborted."""
    committed: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def commit(self, key: str, id: ObjectId) -> None:
        """Enters a message whose transaction was committed."""
        with self._lock:
            self.by_key.setdefault(key, []).append(str(id))
            self.committed += 1

    def abort(self, ids: list[ObjectId]) -> None:
        """Enters messages whose transactions were aborted."""
        with self._lock:
            self.aborted.update(str(id) for id in ids)


class Shop:
    """Takes, charges and ships orders until `messages` messages are committed, or until it is stopped."""

    def __init__(self, database: Database[dict[str, Any]], outbox: Outbox, messages: int) -> None:
        self.ledger = Ledger()
        self.failures: list[Exception] = []
        """Errors that ended a thread too early."""
        self._orders = database.orders
        self._client = database.client
        self._outbox = outbox
        self._stop = threading.Event()
        shares = [messages // THREADS + (number < messages % THREADS) for number in range(THREADS)]
        self._threads = [
            threading.Thread(target=self._work, args=(number, share), name=f"demo-shop-{number}", daemon=True)
            for number, share in enumerate(shares)
        ]

    def start(self) -> None:
        """Starts the threads."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Stops the threads. Returns when the running transactions have ended, or after 5 s."""
        self._stop.set()
        deadline = time.monotonic() + 5
        for thread in self._threads:
            if thread.ident is not None:  # it was started
                thread.join(max(0.0, deadline - time.monotonic()))

    def _work(self, number: int, share: int) -> None:
        chance = random.Random(number)
        states: dict[str, int] = {}  # of the open orders: how many of the three steps are done
        opened = 0
        try:
            with self._client.start_session() as session:
                while share and not self._stop.is_set():
                    if len(states) < _OPEN_ORDERS:
                        opened += 1
                        order = f"{'ABCD'[number]}-{opened:04}"
                        states[order] = 0
                    order = chance.choice(list(states))
                    if self._step(session, order, states[order], chance):
                        share -= 1
                        states[order] += 1
                        if states[order] == len(MESSAGES):
                            del states[order]
        except Exception as error:  # noqa: BLE001  # shown by the thread that waits for this one
            self.failures.append(error)

    def _step(self, session: ClientSession, order: str, step: int, chance: random.Random) -> bool:
        """Runs one transaction; False when it was aborted."""
        declined = chance.random() < _DECLINED
        message = _message(order, step, chance)
        tried: list[ObjectId] = []

        def transaction(session: ClientSession) -> None:
            if step == 0:
                self._orders.insert_one({"_id": order, "step": 1}, session=session)
            else:
                self._orders.update_one({"_id": order}, {"$set": {"step": step + 1}}, session=session)
            tried.append(self._outbox.put(message, session=session))
            if declined:
                raise Declined

        try:
            session.with_transaction(transaction)
        except Declined:
            self.ledger.abort(tried)
            return False
        self.ledger.abort(tried[:-1])  # the driver repeats a transaction that met a conflict
        self.ledger.commit(order, tried[-1])
        return True


def _message(order: str, step: int, chance: random.Random) -> EmbeddedDocument:
    if step == 0:
        return OrderPlaced(
            order=order, customer=f"customer {chance.randrange(500)}", total=f"{chance.random() * 90:.2f}"
        )
    if step == 1:
        return OrderPaid(order=order, method=chance.choice(("card", "invoice")))
    return OrderShipped(order=order, parcel=f"P{chance.randrange(10**8):08}")
