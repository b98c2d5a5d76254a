"""Moving and removing a durable reader's cursor by hand, with all of its shares at once."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from outbox.clock import Clock
from outbox.errors import CursorInUse, InvalidStart, LeaseLost
from outbox.log.log import Log
from outbox.log.position import Bounds, Position, position_at
from outbox.mongo.collections import Collections
from outbox.mongo.server_errors import patient
from outbox.shares.lock import ReaderLock
from outbox.shares.states import KIND, remove_states


@patient
def move(
    collections: Collections, reader: str, to: Literal["earliest", "latest"] | int | datetime, clock: Clock
) -> tuple[Position | None, Position]:
    """Sets the cursor of a reader, by its id: to seq `to` as the last delivered one, or so that next is a date's first
    record, the earliest one that the log keeps, or the one after its newest.

    With several shares, those of all of them. Returns where it was (the slowest share) and where it is now; None: there
    was none.

    Raises CursorInUse while somebody works with it, which takes up to a third of the lease time to see, and up to the
    lease time after a process was killed; InvalidStart for a seq that the log does not hold.
    """
    log = Log(collections)
    reader_lock = ReaderLock(collections, reader)
    try:
        layout = reader_lock.acquire_if_idle(clock)
        seq = target(to, log)
        there = position_at(seq, log)
        check_target(seq, log, is_record=there[2] is not None)
        reader_lock.write(layout.total, there, ())
        if log.oldest() > seq + 1:  # after the save: see outbox.log.edge
            before = "had none" if layout.slowest is None else f"was at seq {layout.slowest[0]}"
            raise InvalidStart(
                f"seq {seq + 1} was rolled over while the cursor was set to {seq} (it {before}); the log is full and "
                f"written to. Set it again, to a later one: {log.oldest() - 1} is the earliest that can be had"
            )
        return layout.slowest, there
    except LeaseLost as lost:  # this was frozen, say, and the reader has begun meanwhile: nothing has changed
        raise CursorInUse(f"the cursor was not moved: {lost}") from lost
    finally:
        reader_lock.release()


def target(to: Literal["earliest", "latest"] | int | datetime, log: Bounds) -> int:
    """Returns the seq that counts as the last delivered one when a cursor is set to `to`."""
    if isinstance(to, int):
        return to
    if to == "latest":
        return log.head()
    return (log.oldest() if to == "earliest" else log.seq_at(to)) - 1


def check_target(seq: int, log: Bounds, *, is_record: bool) -> None:
    """Raises InvalidStart unless a cursor may stand there. is_record: whether the log holds a record of this seq."""
    oldest, head = log.oldest(), log.head()
    is_there = is_record or seq == oldest - 1  # just before the oldest nothing is skipped or lost
    if seq + 1 < oldest or not is_there:
        raise InvalidStart(f"seq {seq} is not in the log, which holds {oldest} to {head}")


@patient
def forget(collections: Collections, reader: str, clock: Clock) -> bool:
    """Removes the cursor of a reader, by its id, so that it holds the sequencer back no more; False when there is none.

    With several shares, those of all of them, and how many they are. A reader of that id that starts later has to be
    told where, as at its first start. The states of a projection go with it. Raises CursorInUse as `move`.
    """
    reader_lock = ReaderLock(collections, reader)
    try:
        reader_lock.acquire_if_idle(clock)
        removed = reader_lock.remove()
        if reader.startswith(f"{KIND}:"):  # afterwards: a position without its states would never be noticed
            remove_states(collections, reader)
        return removed
    except LeaseLost as lost:  # as above
        raise CursorInUse(f"the cursor was not removed: {lost}") from lost
    finally:
        reader_lock.release()
