"""Archives the outbox of a database, in chunks of a twentieth of a second, until it is killed."""

from __future__ import annotations

import sys
import threading
from typing import Any

from pymongo import MongoClient

from outbox import Outbox
from outbox.archive import Archive, target
from outbox.archive.archiving import archive_log


def main() -> None:
    uri, database, folder, format = sys.argv[1:]
    target.MOST_SECONDS = 0.05
    orders = Outbox(MongoClient[dict[str, Any]](uri)[database], sequence=False)
    archive_log(orders, Archive(folder), format, stop=threading.Event())


if __name__ == "__main__":
    main()
