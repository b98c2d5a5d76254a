"""Where a message of another outbox comes from: the headers that say so."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from bson import ObjectId

from outbox import dates
from outbox.errors import InvalidMessage
from outbox.messages.limits import ORIGIN_HEADERS

OUTBOX, SEQ, ID, CREATED = HEADERS = ORIGIN_HEADERS


class Origin(NamedTuple):
    """The outbox in which a message was first put, and its seq, id and date there."""

    outbox: str | None
    """As `database.name`; None where nothing says it."""
    seq: int
    id: ObjectId
    created: str

    def headers(self) -> Iterator[tuple[str, str]]:
        """Gives the headers that say it."""
        if self.outbox is not None:
            yield OUTBOX, self.outbox
        yield SEQ, str(self.seq)
        yield ID, str(self.id)
        yield CREATED, self.created


def first_origin(headers: Mapping[str, object]) -> Origin | None:
    """Reads where a message was first put that came here from elsewhere; None for one that was put here.

    Raises InvalidMessage for headers of these names that say something else.
    """
    found = {name: headers[name] for name in HEADERS if name in headers}
    if not found:
        return None
    outbox, seq, id, created = (found.get(name) for name in HEADERS)
    if (
        isinstance(outbox, str | None)
        and isinstance(seq, str)
        and seq.isdecimal()
        and isinstance(id, str)
        and ObjectId.is_valid(id)
        and isinstance(created, str)
        and _is_date(created)
    ):
        return Origin(outbox, int(seq), ObjectId(id), created)
    raise InvalidMessage(
        f"its headers {', '.join(found)} do not say where a message comes from: an import writes "
        f"{', '.join(HEADERS)}, and nobody else should"
    )


def _is_date(text: str) -> bool:
    try:
        dates.milliseconds_of(text)
    except ValueError:
        return False
    return True
