"""Archives the outbox of a database, in chunks of a twentieth of a second, until it is killed: by the test, or by
itself, before the n-th call to the place of the archive."""

from __future__ import annotations

import itertools
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

from pymongo import MongoClient
from pymongo.collection import Collection

from outbox import Outbox
from outbox.archive import Archive, target
from outbox.archive.archiving import archive_log

FILE_CALLS = ((os, "fsync"), (os, "link"), (Path, "open"), (Path, "mkdir"), (Path, "unlink"), (Path, "read_bytes"))
COLLECTION_CALLS = ((Collection, "insert_many"), (Collection, "insert_one"), (Collection, "find"))


def main() -> None:
    uri, database, place, format, *step = sys.argv[1:]
    target.MOST_SECONDS = 0.05
    orders = Outbox(MongoClient[dict[str, Any]](uri)[database], sequence=False)
    if step:
        die_before(int(step[0]), COLLECTION_CALLS if place.startswith("mongodb") else FILE_CALLS)
    archive_log(orders, Archive(place), format if format != "-" else None, stop=threading.Event(), once=bool(step))


def die_before(step: int, calls: Any) -> None:
    """Kills this process just before one of these calls; of a collection those of the archive alone."""
    number = itertools.count()

    def counted(owner: Any, name: str) -> None:
        method = getattr(owner, name)

        def call(*arguments: Any, **named: Any) -> Any:
            is_counted = owner is not Collection or "history" in arguments[0].name
            if is_counted and next(number) == step:
                if name == "insert_many":  # some are there, and some are not
                    method(arguments[0], arguments[1][:1], **named)
                os.kill(os.getpid(), signal.SIGKILL)
            return method(*arguments, **named)

        setattr(owner, name, call)

    for owner, name in calls:
        counted(owner, name)


if __name__ == "__main__":
    main()
