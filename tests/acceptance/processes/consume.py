"""A consumer whose handler writes what it did into the same database; it can be made to die at the worst moment."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import threading
import time
from typing import Any

from entry import Entry
from pymongo import MongoClient
from pymongo.client_session import ClientSession

from outbox import Consumer, Outbox, Record
from outbox.consumers import in_transaction
from outbox.consumers.in_transaction import WithEffects

logger = logging.getLogger(__name__)


class Effects:
    """What is done with each record: a document of its own, and with `copies` the message once more, in that outbox."""

    def __init__(self, effects: Any, copies: Outbox | None, die_at: int | None, moment: str) -> None:
        self._effects = effects
        self._copies = copies
        self._left = die_at
        self._moment = moment

    def __call__(self, record: Record[Entry], session: ClientSession | None = None) -> None:
        # The natural order is not kept through an election. This clock is the same for all processes of the machine.
        effect = {"id": str(record.id), "seq": record.seq, "at": time.monotonic_ns()}
        effect |= {"account": record.key, "number": record.data["number"]}
        self._effects.insert_one(effect, session=session)
        if self._copies is not None:
            self._copies.put(record.message, session=session, headers={"origin": str(record.id)})
        if self._left is not None:
            self._left -= 1
        self.die_in("effect")

    def die_in(self, moment: str) -> None:
        """Dies (SIGKILL), once so many effects are written, if it was to die here."""
        if self._left is not None and self._left <= 0 and moment == self._moment:
            os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("uri")
    parser.add_argument("database")
    parser.add_argument("--name", default="ledger")
    parser.add_argument("--way", choices=["run", "transaction", "observe"], required=True)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--concurrency", type=int, default=1)
    parser.add_argument("--shares", type=int)
    parser.add_argument("--copies", help="the name of another outbox, into which each message is put")
    parser.add_argument("--die-at", type=int, help="the effect after which it dies")
    parser.add_argument(
        "--moment",
        choices=["effect", "moved", "committed"],
        default="effect",
        help="right after the effect; or in transactions: before the commit, or right after it",
    )
    given = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    # A frozen primary is noticed in three seconds, not thirty.
    with MongoClient(given.uri, heartbeatFrequencyMS=1000, connectTimeoutMS=2000) as client:
        database = client[given.database]
        orders = Outbox(database, messages=[Entry])
        copies = None if given.copies is None else Outbox(database, given.copies, messages=[Entry])
        if copies is not None:
            copies.observe().subscribe(on_error=logger.error)  # so this process numbers them, too
        effects = Effects(database[f"effects-{given.name}"], copies, given.die_at, given.moment)
        die_in_transactions(effects)
        consumer = orders.consumer(given.name, types=[Entry], shares=given.shares, concurrency=given.concurrency)
        if given.way == "run":
            consumer.run(effects, stop=stop)
        elif given.way == "transaction":
            consumer.run_in_transaction(effects, batch=given.batch, stop=stop)
        else:
            observe(consumer, effects, stop)


def die_in_transactions(effects: Effects) -> None:
    commit, transact = WithEffects.commit, in_transaction.transact

    def move(self: WithEffects, records: Any, session: ClientSession) -> None:
        commit(self, records, session)
        effects.die_in("moved")

    def transacted(session: ClientSession, work: Any) -> None:
        transact(session, work)
        effects.die_in("committed")

    WithEffects.commit, in_transaction.transact = move, transacted


def observe(consumer: Consumer[Entry], effects: Effects, stop: threading.Event) -> None:
    """Acknowledges each record when its effect is written."""
    ended = threading.Event()

    def see(record: Record[Entry]) -> None:
        effects(record)
        consumer.ack(record)

    def fail(error: Exception) -> None:
        logger.error("the subscription failed", exc_info=error)
        ended.set()

    consumer.observe().subscribe(see, fail, ended.set)
    while not stop.wait(0.1) and not ended.is_set():
        pass
    consumer.stop()
    consumer.join(30)


if __name__ == "__main__":
    main()
