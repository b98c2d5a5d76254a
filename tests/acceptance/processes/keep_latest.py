"""A process that keeps the view of the latest, and can be made to die at the worst moment."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import threading
from typing import Any

from pymongo import MongoClient

from outbox.consumers.in_transaction import InTransaction
from outbox.latest.keeper import keep_latest
from outbox.latest.view import LatestView
from outbox.log.cursors import CursorStore
from outbox.mongo.collections import Collections
from outbox.readers.head import Head

save = CursorStore.save
apply = LatestView.apply
done = InTransaction._done


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def die_in_the_transaction(cursors: CursorStore, position: Any, fence: int, session: Any = None) -> None:
    """The view and the position are written, and not committed."""
    save(cursors, position, fence, session)
    if session is not None:
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
            CursorStore.save = die_in_the_transaction
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
