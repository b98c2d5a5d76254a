"""A process that keeps the view of the latest, and can be made to die at the worst moment."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import threading
from typing import Any

from pymongo import MongoClient

from outbox.consumers.in_transaction import InTransaction, WithEffects
from outbox.latest.keeper import keep_latest
from outbox.latest.view import LatestView
from outbox.mongo.collections import Collections
from outbox.readers.head import Head

commit = WithEffects.commit
apply = LatestView.apply


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def die_in_the_transaction(delivery: WithEffects, records: Any, session: Any) -> None:
    """The view and the position are written, and not committed."""
    commit(delivery, records, session)
    die()


def die_at_the_effect(view: LatestView, *arguments: Any) -> None:
    """Only the view is written."""
    apply(view, *arguments)
    die()


def die_committed(target: InTransaction, records: Any, seconds: float) -> None:
    """All is committed, and nothing acknowledged."""
    die()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("uri")
    parser.add_argument("database")
    parser.add_argument("--die", choices=["transaction", "effect", "committed"])
    given = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    match given.die:
        case "transaction":
            WithEffects.commit = die_in_the_transaction
        case "effect":
            LatestView.apply = die_at_the_effect
        case "committed":
            InTransaction._done = die_committed
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    with MongoClient[Any](given.uri) as client:
        keep_latest(Collections(client[given.database], "outbox"), Head(), stop)


if __name__ == "__main__":
    main()
