"""Moving and removing a relay's cursor by hand, with all of its shares at once."""

from __future__ import annotations

from datetime import datetime

from outbox.clock import Clock
from outbox.errors import CursorInUse, InvalidStart, LeaseLost
from outbox.log.log import Log
from outbox.log.position import Position, position_at
from outbox.mongo.collections import Collections
from outbox.mongo.server_errors import patient
from outbox.shares.lock import RelayLock


@patient
def move(collections: Collections, name: str, to: int | datetime, clock: Clock) -> tuple[Position | None, Position]:
    """Sets the cursor of relay `name`: to seq `to` as the last delivered one, or so that a date's first record is next.

    With several shares, those of all of them. Returns where it was (the slowest share) and where it is now; None: there
    was none.

    Raises CursorInUse while a relay works with it, which takes up to a third of the lease time to see, and up to the
    lease time after a relay was killed; InvalidStart for a seq that the log does not hold.
    """
    log = Log(collections)
    relay_lock = RelayLock(collections, name)
    try:
        layout = relay_lock.acquire_if_idle(clock)
        seq = to if isinstance(to, int) else log.seq_at(to) - 1
        there = position_at(seq, log)
        oldest, head = log.oldest(), log.head()
        is_there = there[2] is not None or seq == oldest - 1  # just before the oldest nothing is skipped or lost
        if seq + 1 < oldest or not is_there:
            raise InvalidStart(f"seq {seq} is not in the log, which holds {oldest} to {head}")
        relay_lock.write(layout.total, there, ())
        if log.oldest() > seq + 1:  # after the save: see outbox.log.edge
            before = "had none" if layout.slowest is None else f"was at seq {layout.slowest[0]}"
            raise InvalidStart(
                f"seq {seq + 1} was rolled over while the cursor was set to {seq} (it {before}); the log is full and "
                f"written to. Set it again, to a later one: {log.oldest() - 1} is the earliest that can be had"
            )
        return layout.slowest, there
    except LeaseLost as lost:  # this was frozen, say, and a relay has begun meanwhile: nothing has changed
        raise CursorInUse(f"the cursor was not moved: {lost}") from lost
    finally:
        relay_lock.release()


@patient
def forget(collections: Collections, name: str, clock: Clock) -> bool:
    """Removes the cursor of relay `name`, so that it holds the sequencer back no more; False when there is none.

    With several shares, those of all of them, and how many they are. A relay of that name that starts later has to be
    told where, as at its first start. Raises CursorInUse as `move`.
    """
    relay_lock = RelayLock(collections, name)
    try:
        relay_lock.acquire_if_idle(clock)
        return relay_lock.remove()
    except LeaseLost as lost:  # as above
        raise CursorInUse(f"the cursor was not removed: {lost}") from lost
    finally:
        relay_lock.release()
