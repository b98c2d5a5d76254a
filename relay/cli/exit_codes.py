"""Maps the relay's errors to exit codes: the rows that `relay` has beside those of all commands."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from outbox.cli import exit_codes as of_any_command
from outbox.cli.exit_codes import PROTECTED, UNEXPECTED, UNREACHABLE, USAGE, Table
from outbox.errors import OutboxError
from relay.errors import (
    DeliveryRefused,
    InvalidSettings,
    LetterCorrupt,
    LetterTaken,
    PoisonMessage,
    TopicMissing,
    Unreachable,
)

if TYPE_CHECKING:
    from pymongo.errors import PyMongoError

__all__ = ["PROTECTED", "UNEXPECTED", "UNREACHABLE", "USAGE", "exit_code", "exit_codes"]

_OWN: Table = (
    ((InvalidSettings,), USAGE),
    ((Unreachable,), UNREACHABLE),
    (
        (PoisonMessage, LetterTaken, LetterCorrupt, DeliveryRefused, TopicMissing),
        PROTECTED,
    ),
)


def exit_code(error: OutboxError | PyMongoError) -> int:
    """Returns the code for an error."""
    return of_any_command.exit_code(error, _OWN)


def exit_codes() -> AbstractContextManager[None]:
    """Ends the command at an error with the error's text, notes and exit code."""
    return of_any_command.exit_codes("relay", _OWN)
