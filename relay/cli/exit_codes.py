"""The exit codes of the command `relay`, and which error ends it with which."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator

from pymongo.errors import PyMongoError

from outbox import errors
from outbox.mongo.server_errors import is_unauthorized, short_message
from relay.errors import (
    CursorInUse,
    CursorMismatch,
    DeliveryRefused,
    InvalidSettings,
    LetterCorrupt,
    LetterTaken,
    PoisonMessage,
    TopicMissing,
    Unreachable,
)

UNEXPECTED = 1
"""Also a failed check, such as `relay health`'s."""
USAGE = 2
UNREACHABLE = 3
PROTECTED = 4
"""Stopped rather than lose or reorder messages; somebody must decide."""

_CODES: tuple[tuple[tuple[type[Exception], ...], int], ...] = (
    ((InvalidSettings, errors.InvalidStart, errors.InvalidName, errors.PoolTooSmall), USAGE),
    ((Unreachable,), UNREACHABLE),
    (
        (PoisonMessage, LetterTaken, LetterCorrupt, DeliveryRefused, TopicMissing, CursorMismatch, CursorInUse),
        PROTECTED,
    ),
    ((errors.HistoryLost, errors.LogReplaced, errors.LogCorrupt, errors.OutboxNotCreated), PROTECTED),
    ((errors.IncompatibleOutbox, errors.UnsupportedServer, errors.MissingPrivilege), PROTECTED),
    ((errors.OutboxError, PyMongoError), UNEXPECTED),
)


def exit_code(error: errors.OutboxError | PyMongoError) -> int:
    """The code for an error; the first row it belongs to counts."""
    if is_unauthorized(error):
        return PROTECTED
    return next(code for classes, code in _CODES if isinstance(error, classes))


@contextlib.contextmanager
def exit_codes() -> Iterator[None]:
    """Ends the command with an error's sentence and code. What is none of ours is a defect, and shows its traceback."""
    try:
        yield
    except (errors.OutboxError, PyMongoError) as error:
        notes = getattr(error, "__notes__", [])
        sys.stderr.write("".join(f"{line}\n" for line in (f"relay: {short_message(error)}", *notes)))
        raise SystemExit(exit_code(error)) from None
