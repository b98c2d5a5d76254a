"""Takes messages from one outbox to another, in the test's own process."""

from __future__ import annotations

from typing import Any

from pymongo.database import Database

from outbox import Outbox, Record
from outbox.transfer.exporting import Export
from outbox.transfer.importing import Counts, import_lines
from tests.actors.order_service import MESSAGES


def another(database: Database[Any], name: str = "copy") -> Outbox:
    """Creates an outbox for the same messages, which sequences when it is told to."""
    made = Outbox(database, name, messages=MESSAGES, sequence=False)
    made.create()
    return made


def exported(orders: Outbox, *arguments: Any, **options: Any) -> list[bytes]:
    """The lines of an export."""
    export = Export(orders.collections, *arguments, **options)
    return [line for _, lines in export.read(export.head()) for line in lines]


def imported(copy: Outbox, lines: list[bytes]) -> Counts:
    """Imports lines, and numbers what there is."""
    counts = import_lines(copy.collections, lines)
    copy.sequence()
    return counts


def messages(orders: Outbox) -> list[tuple[str, str | None, dict[str, str], Any]]:
    """What of each message stays the same wherever it goes."""
    return [_without_origin(record) for record in orders.read()]


def _without_origin(record: Record[Any]) -> tuple[str, str | None, dict[str, str], Any]:
    own = {name: value for name, value in record.headers.items() if not name.startswith("origin-")}
    return record.type, record.key, own, record.stored["data"]
