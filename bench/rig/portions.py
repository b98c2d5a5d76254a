"""Reads the log as a program by hand does, with the bare driver, and has each portion worked on in a transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from typing import Any

from pymongo.client_session import ClientSession
from pymongo.read_concern import ReadConcern

from outbox import Outbox
from outbox.mongo.codec import DECODED

Numbered = tuple[int, dict[str, Any]]
"""A record and its seq."""


def in_portions(outbox: Outbox, size: int, work: Callable[[list[Numbered], ClientSession], None]) -> None:
    """Calls `work` with every `size` records of the log, in a transaction each."""
    log = outbox.collections.log.with_options(codec_options=DECODED, read_concern=ReadConcern("majority"))

    def records() -> Iterator[Numbered]:
        for batch in log.find({"_id": {"$gt": 0}}):
            yield from enumerate(batch["records"], batch["_id"])

    left = records()
    with outbox.collections.client.start_session() as session:
        while portion := list(islice(left, size)):
            session.with_transaction(partial(work, portion))
