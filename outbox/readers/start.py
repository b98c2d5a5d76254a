"""Where reading starts: a word, a number or a date, read from text and resolved to a seq."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Literal, TypeVar

from outbox import dates
from outbox.errors import HistoryLost, InvalidStart

if TYPE_CHECKING:
    from outbox.log.position import Bounds

Start = Literal["latest", "earliest"] | int | datetime
"""Where a subscription starts."""
WORDS: Sequence[Literal["earliest", "latest"]] = ("earliest", "latest")
StartAt = Literal["beginning", "oldest", "latest"] | int | datetime
"""Where a durable reader starts that has no cursor yet."""
DURABLE_WORDS: Sequence[Literal["beginning", "oldest", "latest"]] = ("beginning", "oldest", "latest")
Word = TypeVar("Word", bound=str)


def read(text: str, words: Sequence[Word]) -> Word | int | datetime:
    """Reads one of the words, a seq or a date, in UTC when it names no zone. Raises ValueError."""
    for word in words:
        if text == word:
            return word
    return int(text) if text.isdecimal() else dates.read(text)


def check(start: Start) -> None:
    """Raises InvalidStart for what can be no position, without asking the server."""
    if isinstance(start, bool) or not isinstance(start, (str, int, datetime)):
        raise InvalidStart(f"start={start!r}: give 'latest', 'earliest', a seq or a datetime")
    if isinstance(start, str) and start not in WORDS:
        raise InvalidStart(f"start={start!r}: the words are 'latest' and 'earliest'")
    if isinstance(start, int) and start < 1:
        raise InvalidStart(f"start={start}: seq begins at 1")


def resolve(start: Start, log: Bounds) -> int:
    """The seq of the first record to read. Raises InvalidStart, HistoryLost and pymongo's errors."""
    check(start)
    if start == "latest":
        return log.head() + 1
    if start == "earliest":
        return log.earliest()
    if isinstance(start, datetime):
        return log.seq_at(start)
    assert isinstance(start, int)
    oldest, head = log.earliest(), log.head()
    if start > head + 1:
        raise InvalidStart(f"start={start} is beyond the log, whose newest seq is {head}: is it of another log?")
    if start < oldest:
        raise HistoryLost(start, oldest)
    return start
