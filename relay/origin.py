"""What stands behind a record, where that is not to be seen of it: its headers may have other names than those of the
wire contract, it may be dated, and its partition may be another than its key's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple


class Origin(NamedTuple):
    """Says of a record what its headers `id` and `created` say, where those may have other names."""

    id: str
    created: str
    date: int
    """The record's date on Kafka, in milliseconds; 0 for when it is produced."""
    partition_key: str | None = None
    """What its partition is chosen by; None for its key."""


def origin_of(outgoing: Sequence[Any]) -> Origin | None:
    """Returns what stands behind an Outgoing; None for one whose headers have the names of the wire contract."""
    return outgoing[5] if len(outgoing) > 5 else None
