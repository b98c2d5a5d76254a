"""Archives the outbox of a database, in chunks of a twentieth of a second, until it is killed: by the test, or by
itself, before the n-th call to the place of the archive. With `-` for a format it does so for each number that it is
given, in a process of its own, and prints how that ended."""

from __future__ import annotations

import itertools
import os
import signal
import sys
import threading
import traceback
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
    uri, database, place, format = sys.argv[1:]
    target.MOST_SECONDS = 0.05
    if format != "-":
        archive(uri, database, place, format)
        return
    for step in sys.stdin:
        child = os.fork()  # of a process that has all modules, and no client yet: to begin anew would take a second
        if child == 0:
            try:
                die_before(int(step), COLLECTION_CALLS if place.startswith("mongodb") else FILE_CALLS)
                archive(uri, database, place)
            except BaseException:  # noqa: BLE001  # the child must not go on as its parent, whatever it met
                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


def archive(uri: str, database: str, place: str, format: str | None = None) -> None:
    orders = Outbox(MongoClient[dict[str, Any]](uri)[database], sequence=False)
    archive_log(orders, Archive(place), format, stop=threading.Event(), once=format is None)


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
