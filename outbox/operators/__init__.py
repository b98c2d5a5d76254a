"""Operators for `pipe`, made for records: typed, bounded, and they lose nothing between threads."""

from outbox.operators.batches import batch
from outbox.operators.keys import by_key
from outbox.operators.marks import caught_up
from outbox.operators.records import Acknowledges, ack_after, of_type

__all__ = ["Acknowledges", "ack_after", "batch", "by_key", "caught_up", "of_type"]
