"""A projection of the accounts' entries, a state each; it can be made to die at the worst moment."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import threading
from typing import Any

from entry import Entry
from pymongo import MongoClient
from pymongo.client_session import ClientSession

from outbox import CursorInUse, Outbox, OutboxError, Projection, Record
from outbox.consumers import in_transaction
from outbox.consumers.in_transaction import WithEffects
from outbox.projections import rebuild as rebuilding
from outbox.projections.rebuild import Swap

logger = logging.getLogger(__name__)


class Numbers:
    """Keeps the numbers of an account's entries, in the order in which they came."""

    def __init__(self, die_at: int | None, moment: str) -> None:
        self._left = die_at
        self._moment = moment

    def __call__(self, state: dict[str, Any], record: Record[Entry]) -> dict[str, Any]:
        assert record.data is not None
        state.setdefault("numbers", []).append(record.data["number"])
        if self._left is not None:
            self._left -= 1
        self.die_in("apply")
        return state

    def die_in(self, moment: str) -> None:
        """Dies (SIGKILL), once so many records are applied, if it was to die here."""
        if self._left is not None and self._left <= 0 and moment == self._moment:
            os.kill(os.getpid(), signal.SIGKILL)


def die_in_transactions(numbers: Numbers) -> None:
    commit, transact = WithEffects.commit, in_transaction.transact
    copy, swap = Swap._copy, rebuilding.transact

    def move(self: WithEffects, records: Any, session: ClientSession) -> None:
        commit(self, records, session)
        numbers.die_in("moved")

    def transacted(session: ClientSession, work: Any) -> None:
        transact(session, work)
        numbers.die_in("committed")

    def copied(self: Swap, session: ClientSession) -> None:
        copy(self, session)
        numbers.die_in("copied")

    def swapped(session: ClientSession, work: Any) -> Any:
        reached = swap(session, work)
        if reached is not None:
            numbers.die_in("swapped")
        return reached

    WithEffects.commit, in_transaction.transact = move, transacted
    Swap._copy, rebuilding.transact = copied, swapped


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("uri")
    parser.add_argument("database")
    parser.add_argument("--name", default="ledger")
    parser.add_argument("--shares", type=int)
    parser.add_argument("--version", type=int, default=1)
    parser.add_argument("--snapshot-every", type=int, default=1000)
    parser.add_argument("--rebuild", action="store_true", help="again and again, beside the run")
    parser.add_argument("--die-at", type=int, help="after how many records it dies")
    parser.add_argument("--moment", choices=["apply", "moved", "committed", "copied", "swapped"], default="apply")
    given = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    # A frozen primary is noticed in three seconds, not thirty.
    with MongoClient(given.uri, heartbeatFrequencyMS=1000, connectTimeoutMS=2000) as client:
        orders = Outbox(client[given.database], messages=[Entry])
        numbers = Numbers(given.die_at, given.moment)
        die_in_transactions(numbers)
        projection = orders.projection(
            given.name, types=[Entry], initial=dict, apply=numbers, by="key", shares=given.shares,
            version=given.version, snapshot_every=given.snapshot_every,
        )  # fmt: skip
        if given.rebuild:
            threading.Thread(target=make_anew, args=(projection, stop), daemon=True).start()
        projection.run(stop)


def make_anew(projection: Projection[Any], stop: threading.Event) -> None:
    while not stop.wait(0.2):
        try:
            projection.rebuild(stop)
        except (CursorInUse, OutboxError) as error:
            logger.info("not made anew: %s", error)


if __name__ == "__main__":
    main()
