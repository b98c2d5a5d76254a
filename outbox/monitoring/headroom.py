"""Headroom: how much may still be appended before a durable reader holds the sequencer back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bson.codec_options import CodecOptions, DatetimeConversion

from outbox.log.log import Log
from outbox.log.retry_overtaken import retry_overtaken
from outbox.log.weight import LogWeight, start_of
from outbox.mongo.calls import time_limit
from outbox.mongo.codec import Document
from outbox.mongo.collections import Collections

_RATE_MS = 300_000
_RATE_RECORDS = 100
_RATE_PARTS = 256
_LEAST_MS = 1000
_MILLISECONDS: CodecOptions[Document] = CodecOptions(datetime_conversion=DatetimeConversion.DATETIME_MS)


@dataclass(frozen=True, slots=True)
class Headroom:
    """What may be appended while a reader stands still, before the sequencer waits for it."""

    bytes: int
    """Exact when the reader is within 64 batches of either end of the log, else estimated from samples."""
    records: int | None
    """As many of the log's average size; None while the log holds none."""
    seconds: float | None
    """Until then at the rate of the newest records: those created in the last 5 minutes of the log, and 100 of them at
    least. By their own dates, so an idle log has the rate at which it was last written. None for a log whose newest
    records span less than a second."""


class HeadroomGauge:
    """Measures the headroom of readers of one log, with a bounded number of reads. Not thread-safe; use it once.

    cap: the log's, in bytes. Raises OutboxNotCreated and pymongo's errors.
    """

    def __init__(self, collections: Collections, cap: int) -> None:
        self._log = Log(collections)
        self._batches = collections.log.with_options(codec_options=_MILLISECONDS)
        self._cap = cap
        self.oldest = self._log.earliest()
        self.head = self._log.head()
        self._weight = LogWeight(collections)
        self.size, _ = self._weight.whole()
        """What all batches take, in bytes."""
        self._record = self.size / (self.head - self.oldest + 1) if self.head >= self.oldest else None
        self._rate: float | None = None

    def headrooms(self, cursors: Mapping[str, int]) -> dict[str, Headroom | None]:
        """The headroom of each reader, by the seq it has acknowledged last.

        None for one that holds nobody: what it would read next is gone already, or it is beyond the log's head.
        """
        held = {seq for seq in cursors.values() if self._holds(seq)}
        if held:
            self._rate = self._measured_rate()
        # Once for all readers that stand at one place, as those at the head.
        left = {seq: self._of(seq) for seq in held}
        return {reader: left.get(seq) for reader, seq in cursors.items()}

    def _holds(self, seq: int) -> bool:
        return self.oldest <= seq + 1 <= self.head + 1

    def _of(self, seq: int) -> Headroom:
        left = max(0, min(self._cap, self._bytes(seq)))
        if self._record is None:
            return Headroom(left, None, None)
        records = left / self._record
        return Headroom(left, int(records), None if self._rate is None else round(records / self._rate, 3))

    def _bytes(self, seq: int) -> int:
        """The cap less what is to be kept: everything from the batch that holds the next record on. That is weighed, or
        else what lies before it, whichever are fewer records."""
        first = self._log.batch_start(seq + 1)
        if self.head + 1 - first <= first - self.oldest:
            return self._cap - self._weight.estimated(first, self.head + 1)
        return self._cap - self.size + self._weight.estimated(start_of(self.oldest), first)

    def _measured_rate(self) -> float | None:
        """Records a second, by the dates of the newest."""
        if self.head <= self.oldest:
            return None
        newest = self._created(self.head)
        recent, at = self._recent(newest)
        first = max(self.oldest, min(recent, self.head + 1 - _RATE_RECORDS))
        span = newest - (at if first == recent else self._created(first))
        # Endless when a record was rolled over meanwhile.
        return (self.head - first) * 1000 / span if _LEAST_MS <= span < float("inf") else None

    def _recent(self, newest: float) -> tuple[int, float]:
        """The first record of the last five minutes, and its date, or one as good as that: up to 1/256 of them later.

        Dates grow about evenly, so it is looked for where it should be, and every other time in the middle.
        """
        wanted = newest - _RATE_MS
        low, at_low = self.oldest, self._created(self.oldest)
        high, at_high = self.head, newest
        if at_low >= wanted:
            return low, at_low
        halve = at_low == float("-inf")
        while high - low > max(1, (self.head - high) // _RATE_PARTS):
            share = 0.5 if halve else (wanted - at_low) / (at_high - at_low)
            middle = min(max(low + int(share * (high - low)), low + 1), high - 1)
            at = self._created(middle)
            if at < wanted:
                low, at_low = middle, at
            else:
                high, at_high = middle, at
            halve = not halve or at_low == float("-inf")
        return high, at_high

    @retry_overtaken
    def _created(self, seq: int) -> float:
        """A record's date, in ms; what was rolled over meanwhile counts as too old. It never decreases along `seq`."""
        created: Document = {"$arrayElemAt": ["$records.created", {"$subtract": [seq, "$_id"]}]}
        with time_limit():
            found = self._batches.find_one({"_id": {"$gt": 0, "$lte": seq}}, {"created": created}, sort=[("_id", -1)])
        return float("-inf") if found is None or "created" not in found else int(found["created"])
