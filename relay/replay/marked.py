"""Encodes as the relay does, and marks each record as one that is sent again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from outbox.delivery.ports import Encoder, Outgoing
from outbox.errors import OutboxError
from outbox.log.batch import Batch
from outbox.log.position import Mark
from outbox.log.record import Record
from outbox.shares.share import Share

REPLAYED = ("replayed", "true")
"""The last header of each record that a replay sends."""


class MarkedEncoder:
    """Is Encoder: what `encoder` makes, with the header REPLAYED. Not thread-safe.

    is_choosy: some records are not wanted, so that each has to be looked at.
    """

    def __init__(self, encoder: Encoder[Outgoing], *, is_choosy: bool) -> None:
        self._encoder = encoder
        self._is_choosy = is_choosy

    def encode_plain(self, batch: Batch, share: Share) -> Iterable[tuple[list[Outgoing], list[Mark]]] | None:
        """See Encoder."""
        portions = None if self._is_choosy else self._encoder.encode_plain(batch, share)
        return None if portions is None else [(_marked(outgoing), marks) for outgoing, marks in portions]

    def encode(self, records: Sequence[Record[Any]]) -> tuple[list[Outgoing], list[Mark], OutboxError | None]:
        """See Encoder."""
        outgoing, marks, error = self._encoder.encode(records)
        return _marked(outgoing), marks, error


def _marked(outgoing: list[Outgoing]) -> list[Outgoing]:
    return [(*each[:4], [*each[4], REPLAYED], *each[5:]) for each in outgoing]
