"""Packing: staged messages become the log's batches."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

from bson.raw_bson import RawBSONDocument

from outbox.log import batch
from outbox.log.batch import Batch
from outbox.staging.document import Staged


class Packed(NamedTuple):
    """A batch that is to be appended, and the messages it was made of."""

    batch: Batch
    members: list[Staged]

    @property
    def document(self) -> RawBSONDocument:
        return RawBSONDocument(self.batch.raw)


def parts(messages: Sequence[Staged], most: int) -> Iterator[list[Staged]]:
    """Cuts messages into what is appended at once: at most `most` bytes in the log, and at least one message."""
    part: list[Staged] = []
    size = 0
    for each in messages:
        weight = batch.record_size(each.rest) + batch.ENVELOPE_BYTES
        if part and size + weight > most:
            yield part
            part, size = [], 0
        part.append(each)
        size += weight
    if part:
        yield part


def dates(messages: Sequence[Staged], floor: int, now: int) -> list[int]:
    """`created` of each, in milliseconds: never ahead of the server's own time by more than a second, nor behind its
    predecessor's. One wrong clock among the putters must not move the others' dates.

    floor: that of the newest record, in milliseconds. now: the server's time, in whole seconds.
    """
    created, latest = [], (now + 1) * 1000
    for each in messages:
        floor = max(floor, min(each.created, (each.at + 1) * 1000, latest))
        created.append(floor)
    return created


def pack(
    messages: Sequence[Staged], created: Sequence[int], first: int, fence: int, undeleted: int, alone: Collection[bytes]
) -> list[Packed]:
    """Numbers the messages from `first` on; `created` has their dates, `alone` the ids of those that share no batch."""
    packed = []
    sizes = [batch.record_size(each.rest) for each in messages]
    for part in batch.cut(sizes, [each.id in alone for each in messages]):
        members = list(messages[part])
        records = [batch.record(each.id, date, each.rest) for each, date in zip(members, created[part], strict=True)]
        begin, end = first + part.start, first + part.stop - 1
        raw = batch.pack(begin, fence, undeleted, records)
        packed.append(Packed(Batch(begin, end, fence, undeleted, raw), members))
    return packed
