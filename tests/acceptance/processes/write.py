"""A writer: commits entries to accounts it shares with other writers, and says so; aborts every tenth transaction."""

from __future__ import annotations

import argparse
import random
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

from bson import ObjectId
from entry import Entry
from pymongo import MongoClient
from pymongo.client_session import ClientSession
from pymongo.collection import Collection
from pymongo.errors import ConfigurationError, PyMongoError

from outbox import Outbox

MOST = 5
YEAR_SECONDS = 365 * 86400


def say(line: str) -> None:
    """In one piece, also while other threads say something."""
    print(f"{line}\n", end="", flush=True)


class Writes(Protocol):
    """Does one transaction at a time on each thread."""

    def commit(self, account: str, size: int) -> None: ...
    def abort(self, account: str, size: int) -> None: ...


def say_ended(way: str, error: Exception) -> None:
    say(f"a transaction ended before it was {way}: {error}")


def say_committed(account: str, written: dict[int, ObjectId]) -> None:
    for number, id in written.items():
        say(f"committed {account} {number} {id}")


def say_aborted(written: dict[int, ObjectId]) -> None:
    for id in written.values():
        say(f"aborted {id}")


def entries_of(account: str, size: int, last: int, padding: str) -> dict[int, Entry]:
    """The last `size` of an account that has `last` by now, by their numbers."""
    numbers = range(last - size + 1, last + 1)
    return {number: Entry(account=account, number=number, padding=padding) for number in numbers}


class Writer:
    def __init__(self, client: MongoClient, outbox: Outbox, accounts: Collection, padding: int) -> None:
        self._client = client
        self._accounts = accounts
        self._outbox = outbox
        self._padding = "x" * padding

    def commit(self, account: str, size: int) -> None:
        try:
            with self._client.start_session() as session:
                written = session.with_transaction(lambda session: self._write(session, account, size))
        except ConfigurationError as error:  # see outbox.mongo.server_errors: the driver could not even abort it
            say_ended("committed", error)
            return
        say_committed(account, written)

    def abort(self, account: str, size: int) -> None:
        written: dict[int, ObjectId] = {}
        try:
            with self._client.start_session() as session, session.start_transaction():
                written = self._write(session, account, size)
                session.abort_transaction()
        except PyMongoError as error:
            say_ended("aborted", error)
        say_aborted(written)

    def _write(self, session: ClientSession, account: str, size: int) -> dict[int, ObjectId]:
        # The account is written first: of two transactions on it only one commits, so its entries have one order.
        after = self._accounts.find_one_and_update(
            {"_id": account}, {"$inc": {"entries": size}}, return_document=True, session=session
        )
        entries = entries_of(account, size, after["entries"], self._padding)
        return dict(zip(entries, self._outbox.put([*entries.values()], session=session), strict=True))


# A frozen primary is noticed in three seconds, not thirty.
SETTINGS = {"heartbeatFrequencyMS": 1000, "connectTimeoutMS": 2000}


@contextmanager
def writer(given: argparse.Namespace) -> Iterator[Writes]:
    with MongoClient(given.uri, **SETTINGS) as client:
        database = client[given.database]
        outbox = Outbox(database, messages=[Entry], sequence=False)
        yield Writer(client, outbox, database.accounts, given.padding)


def main(opened: Callable[[argparse.Namespace], AbstractContextManager[Writes]] = writer) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("uri")
    parser.add_argument("database")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument(
        "--messages", type=int, default=sys.maxsize, help="how many each thread commits; without, until SIGTERM"
    )
    parser.add_argument("--rate", type=float, default=float("inf"), help="messages a second, at most, of each thread")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--padding", type=int, default=200, help="bytes in each message besides")
    parser.add_argument("--accounts", type=int, default=100)
    parser.add_argument("--year-ahead", action="store_true", help="this process's clock is wrong")
    given = parser.parse_args()
    if given.year_ahead:
        time_ns = time.time_ns
        time.time_ns = lambda: time_ns() + YEAR_SECONDS * 10**9
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    with opened(given) as writes, ThreadPoolExecutor(given.threads) as pool:
        seeds = [given.seed, *(f"{given.seed} {thread}" for thread in range(1, given.threads))]
        writing = [pool.submit(write, writes, random.Random(seed), stop, given) for seed in seeds]
        try:
            for each in as_completed(writing):
                each.result()
        finally:
            stop.set()


def write(writer: Writes, chance: random.Random, stop: threading.Event, given: argparse.Namespace) -> None:
    left, turn = given.messages, 0
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
