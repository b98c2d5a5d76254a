"""Counts the failed attempts at each record, says how long to wait before the next, and when to give up."""

from __future__ import annotations

from collections.abc import Callable

from pymongo.errors import PyMongoError

from outbox.backoff import delay
from outbox.errors import DeliveryFailed, Reject, Verdict
from outbox.events import Failed, OnEvent
from outbox.log.record import Record
from outbox.mongo.server_errors import is_transient, short_message
from outbox.shares.reader_logger import ReaderLogger


class Attempts:
    """Counts for one reader. Not thread-safe.

    most: attempts at a record before it is given up; None for no limit. chance: floats in [0, 1) for the jitter.
    """

    def __init__(self, most: int | None, log: ReaderLogger, chance: Callable[[], float], tell: OnEvent) -> None:
        self._most = most
        self._log = log
        self._chance = chance
        self._tell = tell
        self._failed: dict[int, tuple[int, int]] = {}
        """By seq, how often it failed, and how often of these it was to blame."""

    def failed(self, record: Record[object], error: Exception) -> float:
        """Notes a failed attempt; returns the seconds to wait before the next.

        A server that is away, or an election, does not count: no message is to blame for it.

        Raises DeliveryFailed when the record is given up: after the last attempt, and for Reject at once.
        """
        counts = not (isinstance(error, PyMongoError) and is_transient(error))
        tries, attempt = self._failed.get(record.seq, (0, 0))
        tries, attempt = self._failed[record.seq] = tries + 1, attempt + counts
        self._tell(Failed(record, error, tries))
        if isinstance(error, Reject) or (counts and attempt == self._most):
            del self._failed[record.seq]
            raise DeliveryFailed(record.seq, Verdict.POISON, _reason(error, attempt), "handled") from error
        seconds = delay(tries, self._chance)
        about = {"seq": record.seq, "id": str(record.id)}
        if tries == 1:
            self._log.warning("seq %d failed; again in %.2f s", record.seq, seconds, exc_info=error, extra=about)
        else:
            said = "seq %d failed, attempt %d: %s; again in %.2f s"
            self._log.info(said, record.seq, tries, error, seconds, extra=about)
        return seconds

    def done(self, seq: int) -> None:
        """Forgets a record that was handled after all."""
        if self._failed:
            self._failed.pop(seq, None)


def _reason(error: Exception, attempts: int) -> str:
    if isinstance(error, Reject):
        return f"rejected: {error}"
    said = short_message(error) if isinstance(error, PyMongoError) else str(error)
    times = "once" if attempts == 1 else f"{attempts} times"
    return f"its handler failed {times}, at last with {type(error).__name__}: {said}"
