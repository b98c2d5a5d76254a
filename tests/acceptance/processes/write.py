"""A writer: commits entries to accounts it shares with other writers, and says so; aborts every tenth transaction."""

from __future__ import annotations

import argparse
import random
import signal
import sys
import threading
import time

from bson import ObjectId
from entry import Entry
from pymongo import MongoClient
from pymongo.client_session import ClientSession
from pymongo.errors import PyMongoError

from outbox import Outbox

MOST = 5
YEAR_SECONDS = 365 * 86400


class Writer:
    def __init__(self, client: MongoClient, database: str) -> None:
        self._client = client
        self._accounts = client[database].accounts
        self._outbox = Outbox(client[database], messages=[Entry], sequence=False)

    def commit(self, account: str, size: int) -> None:
        with self._client.start_session() as session:
            written = session.with_transaction(lambda session: self._write(session, account, size))
        for number, id in written.items():
            print(f"committed {account} {number} {id}", flush=True)

    def abort(self, account: str, size: int) -> None:
        written: dict[int, ObjectId] = {}
        try:
            with self._client.start_session() as session, session.start_transaction():
                written = self._write(session, account, size)
                session.abort_transaction()
        except PyMongoError as error:
            print(f"a transaction ended before it was aborted: {error}", flush=True)
        for id in written.values():
            print(f"aborted {id}", flush=True)

    def _write(self, session: ClientSession, account: str, size: int) -> dict[int, ObjectId]:
        # The account is written first: of two transactions on it only one commits, so its entries have one order.
        after = self._accounts.find_one_and_update(
            {"_id": account}, {"$inc": {"entries": size}}, return_document=True, session=session
        )
        numbers = range(after["entries"] - size + 1, after["entries"] + 1)
        entries = [Entry(account=account, number=number, padding="x" * 200) for number in numbers]
        return dict(zip(numbers, self._outbox.put(entries, session=session), strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("uri")
    parser.add_argument("database")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--messages", type=int, default=sys.maxsize, help="how many to commit; without, until SIGTERM")
    parser.add_argument("--rate", type=float, default=float("inf"), help="messages a second, at most")
    parser.add_argument("--accounts", type=int, default=100)
    parser.add_argument("--year-ahead", action="store_true", help="this process's clock is wrong")
    given = parser.parse_args()
    if given.year_ahead:
        time_ns = time.time_ns
        time.time_ns = lambda: time_ns() + YEAR_SECONDS * 10**9
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    chance, left, turn = random.Random(given.seed), given.messages, 0
    # A frozen primary is noticed in three seconds, not thirty.
    with MongoClient(given.uri, heartbeatFrequencyMS=1000, connectTimeoutMS=2000) as client:
        writer = Writer(client, given.database)
        while left and not stop.is_set():
            turn += 1
            account, size = f"account-{chance.randrange(given.accounts)}", min(left, chance.randint(1, MOST))
            if turn % 10 == 0:
                writer.abort(account, size)
                continue
            writer.commit(account, size)
            left -= size
            stop.wait(size / given.rate)


if __name__ == "__main__":
    main()
