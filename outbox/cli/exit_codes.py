"""Maps the errors that end a command to exit codes."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from typer import Exit

from outbox import errors

if TYPE_CHECKING:
    from pymongo.errors import PyMongoError

UNEXPECTED = 1
"""A defect; also a failed check, such as that of `relay health`."""
USAGE = 2
UNREACHABLE = 3
PROTECTED = 4
"""The command stopped so as not to lose or reorder messages; an operator must decide."""

Table = tuple[tuple[tuple[type[Exception], ...], int], ...]
"""Codes by classes of errors; the first row to which an error belongs counts."""

_OF_ANY_COMMAND: Table = (
    ((errors.InvalidStart, errors.InvalidSelector, errors.PoolTooSmall, errors.InvalidName), USAGE),
    ((errors.InvalidArchive, errors.InvalidArgument), USAGE),
    ((errors.ArchiveDamaged, errors.ImportRefused, errors.PoisonMessage), PROTECTED),
    ((errors.ArchiveUnavailable,), UNREACHABLE),
    ((errors.HistoryLost, errors.LogReplaced, errors.LogCorrupt, errors.OutboxNotCreated), PROTECTED),
    ((errors.CursorMismatch, errors.CursorInUse, errors.ReaderPaused), PROTECTED),
    ((errors.IncompatibleOutbox, errors.UnsupportedServer, errors.MissingPrivilege), PROTECTED),
)


def exit_code(error: errors.OutboxError | PyMongoError, own: Table) -> int:
    """Returns the code for an error. `own` has the rows of one command, which come before those of all commands."""
    from outbox.mongo.server_errors import is_unauthorized  # here: it loads the driver, which not every command needs

    if is_unauthorized(error):
        return PROTECTED
    rows = (*own, *_OF_ANY_COMMAND)
    return next((code for classes, code in rows if isinstance(error, classes)), UNEXPECTED)


@contextlib.contextmanager
def exit_codes(command: str, own: Table) -> Iterator[None]:
    """Ends `command` at an error with the error's text, notes and exit code.

    An error that is neither this project's nor the driver's is a defect, and shows its traceback.
    """
    try:
        yield
    except Exit:  # the command has said what there was to say
        raise
    except Exception as error:
        from pymongo.errors import PyMongoError  # as above

        from outbox.mongo.server_errors import short_message

        if not isinstance(error, (errors.OutboxError, PyMongoError)):
            raise
        notes = getattr(error, "__notes__", [])
        sys.stderr.write("".join(f"{line}\n" for line in (f"{command}: {short_message(error)}", *notes)))
        raise SystemExit(exit_code(error, own)) from None
