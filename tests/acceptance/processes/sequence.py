"""A sequencing process, which can be made to die or freeze at the worst moment."""

from __future__ import annotations

import argparse
import contextvars
import logging
import os
import signal
import threading
from collections.abc import Callable, Iterable
from typing import Any

from pymongo import MongoClient
from pymongo.collection import Collection

import outbox.sequencer.loop
from outbox.log import batch
from outbox.mongo.collections import Collections
from outbox.sequencer.cleanup import StagingCleanup
from outbox.sequencer.sequencer import Sequencer

insert_many: Callable[..., Any] = Collection.insert_many
delete: Callable[..., Any] = StagingCleanup.delete


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def die_appending(collection: Collection[Any], documents: list[Any], **options: Any) -> Any:
    """Only a part of the sweep's batches is in the log."""
    if len(documents) == 1:
        return insert_many(collection, documents, **options)
    insert_many(collection, documents[: len(documents) // 2], **options)
    return die()


def die_appended(collection: Collection[Any], documents: list[Any], **options: Any) -> None:
    """All is in the log, and still in staging."""
    insert_many(collection, documents, **options)
    die()


def die_deleting(clearing: StagingCleanup, ids: Iterable[bytes]) -> None:
    """All is in the log, and a part of it still in staging."""
    wanted = list(ids)
    delete(clearing, wanted[: len(wanted) // 2])
    if wanted:
        die()


def freeze(collection: Collection[Any], documents: list[Any], **options: Any) -> Any:
    """Past every check of its own, the driver's time limit included, and before the server has heard of it."""
    print("freezing", flush=True)
    os.kill(os.getpid(), signal.SIGSTOP)
    Collection.insert_many = insert_many
    appended = contextvars.Context().run(insert_many, collection, documents, **options)
    print("thawed, and appended", flush=True)
    return appended


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("uri")
    parser.add_argument("database")
    parser.add_argument("--lease", type=float, required=True, help="seconds")
    parser.add_argument("--batch", type=int, default=batch.MAX_RECORDS, help="records in a batch at most")
    parser.add_argument("--die", choices=["appending", "appended", "deleting"])
    parser.add_argument("--freeze", action="store_true")
    given = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    batch.MAX_RECORDS = given.batch
    outbox.sequencer.loop._STANDBY_SECONDS = 0.05
    if given.die == "deleting":
        StagingCleanup.delete = die_deleting
    elif given.die is not None:
        Collection.insert_many = {"appending": die_appending, "appended": die_appended}[given.die]
    if given.freeze:
        Collection.insert_many = freeze
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    with MongoClient(given.uri) as client:
        collections = Collections(client[given.database], "outbox")
        lease = collections.lease("sequencer", seconds=given.lease)
        outbox.sequencer.loop.run_sequencer(collections, Sequencer(collections, lease), stop)


if __name__ == "__main__":
    main()
