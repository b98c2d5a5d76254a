"""A consumer that handles messages in transactions, and is killed inside of one."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from typing import Any

from pymongo import MongoClient
from pymongo.client_session import ClientSession

from outbox import Outbox, Record
from outbox.consumers.in_transaction import WithEffects

commit = WithEffects.commit


def die_at(seq: int) -> None:
    """After the handler, and after the position: the next command would be the commit."""

    def dying(delivery: WithEffects, records: Sequence[Record[Any]], session: ClientSession) -> None:
        commit(delivery, records, session)
        if records[-1].seq >= seq:
            os.kill(os.getpid(), signal.SIGKILL)

    WithEffects.commit = dying


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("uri")
    parser.add_argument("database")
    parser.add_argument("--handling", type=int, help="the seq of the record whose handler kills the process")
    parser.add_argument("--committing", type=int, help="the seq that has just been written as the position")
    given = parser.parse_args()
    if given.committing is not None:
        die_at(given.committing)
    with MongoClient[dict[str, Any]](given.uri) as client, Outbox(client[given.database]) as outbox:

        def handle(record: Record[Any], session: ClientSession) -> None:
            outbox.collections.database.effects.insert_one({"_id": record.seq}, session=session)
            if record.seq == given.handling:
                os.kill(os.getpid(), signal.SIGKILL)

        outbox.consumer("billing").run_in_transaction(handle, batch=2)
    sys.exit("it has ended by itself")


if __name__ == "__main__":
    main()
