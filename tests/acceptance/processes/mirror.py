"""Mirrors the outbox of a database into another one, until it is stopped. Arguments: both servers and databases."""

from __future__ import annotations

import sys
import threading

from pymongo import MongoClient

from outbox import Outbox
from outbox.transfer.mirroring import mirror


def main(mongo_uri: str, database: str, other_uri: str, other: str) -> None:
    source = Outbox(MongoClient(mongo_uri)[database])
    destination = Outbox(MongoClient(other_uri)[other], "copy")
    with destination.running():
        mirror(source, destination.collections, stop=threading.Event())


if __name__ == "__main__":
    main(*sys.argv[1:])
