"""An error ends a command with its sentence and its code."""

from __future__ import annotations

import pytest
from pymongo.errors import ConnectionFailure, OperationFailure, PyMongoError

from outbox import errors
from outbox.cli.exit_codes import PROTECTED, UNEXPECTED, UNREACHABLE, USAGE, Table, exit_code, exit_codes

OWN: Table = (((errors.UnknownMessage,), USAGE), ((ConnectionFailure,), UNREACHABLE))


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.InvalidStart("seq 0"), USAGE),
        (errors.UnknownMessage("of a row of its own"), USAGE),
        (ConnectionFailure("of a row of its own"), UNREACHABLE),
        (errors.HistoryLost(3, 7), PROTECTED),
        (errors.MissingPrivilege("no right"), PROTECTED),
        (OperationFailure("no right", 13), PROTECTED),
        (errors.InvalidMessage("the root's row"), UNEXPECTED),
        (OperationFailure("out of memory", 146), UNEXPECTED),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else str(value),
)
def test_the_first_row_an_error_belongs_to_says_the_code(error: errors.OutboxError | PyMongoError, code: int) -> None:
    assert exit_code(error, OWN) == code


def test_the_command_says_the_error_with_its_notes_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    error = errors.InvalidStart("seq 0 is none")
    error.add_note("give a seq from 1 on")

    with pytest.raises(SystemExit) as ended, exit_codes("outbox", OWN):
        raise error

    assert ended.value.code == USAGE
    assert capsys.readouterr() == ("", "outbox: seq 0 is none\ngive a seq from 1 on\n")


def test_a_defect_shows_its_traceback() -> None:
    with pytest.raises(ZeroDivisionError), exit_codes("outbox", OWN):
        raise ZeroDivisionError
