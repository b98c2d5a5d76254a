"""The APP that the commands have in common: the argument, opening its Outbox, and the codes of its errors."""

from __future__ import annotations

import contextlib
import difflib
import re
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import pymongo
import typer
from pymongo.errors import ConnectionFailure, OperationFailure

from outbox import errors
from outbox.cli.app_loader import InvalidApplication, load
from outbox.cli.exit_codes import UNREACHABLE, USAGE, Table, exit_codes
from outbox.cli.shell.completion import applications
from outbox.mongo.server import check_server
from outbox.mongo.server_errors import is_transient, patiently, short_message
from outbox.outbox import Outbox
from outbox.readers.start import Word
from outbox.readers.start import read as read_start

if TYPE_CHECKING:
    from outbox.archive import Archive

CONNECT_SECONDS = 5.0
_AGE = re.compile(r"(\d+)\s*([dhwm])")
_UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}
OWN_CODES: Table = (
    ((InvalidApplication, errors.UnknownMessage), USAGE),
    ((ConnectionFailure,), UNREACHABLE),
)

App = Annotated[
    str,
    typer.Argument(
        metavar="APP",
        help="module:attribute, an Outbox or a function that returns one; this folder is searched first.",
        show_default=False,
        autocompletion=applications,
    ),
]


@contextlib.contextmanager
def opened(app: str) -> Iterator[Outbox]:
    """Opens the Outbox that APP names, once its server answers; ends the command with the code of an error."""
    with exit_codes("outbox", OWN_CODES), load(app, Path.cwd()) as outbox:
        try:
            with pymongo.timeout(CONNECT_SECONDS):
                patiently(lambda: outbox.collections.client.admin.command("ping"))
        except (ConnectionFailure, OperationFailure) as error:
            if not is_transient(error):
                raise InvalidApplication(
                    f"{app}: MongoDB refused the user or password: {short_message(error)}"
                ) from None
            raise ConnectionFailure(f"MongoDB did not answer: {short_message(error)}") from error
        check_server(outbox.collections)
        yield outbox


def full_name(outbox: Outbox) -> str:
    """Names the outbox, for people."""
    return outbox.collections.log.full_name


def check_types(types: list[str], outbox: Outbox) -> None:
    """Raises UnknownMessage for a type that no service has declared. Asks the server."""
    known = outbox.types()
    for type in types:
        if type not in known:
            close = difflib.get_close_matches(type, known, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"it has {', '.join(known) or 'none yet'}"
            raise errors.UnknownMessage(f"{full_name(outbox)} has no message type {type!r}; {hint}")


def archive_at(url: str, name: str) -> Archive:
    """Opens an archive. Raises InvalidArchive and InvalidName."""
    from outbox.archive import Archive

    return Archive(url, name)


@contextlib.contextmanager
def archive_errors() -> Iterator[None]:
    """Raises ArchiveUnavailable when the place of an archive does not answer."""
    try:
        yield
    except OSError as error:
        raise errors.ArchiveUnavailable(f"the archive cannot be read or written: {error}") from error


def start_at(text: str, words: Sequence[Word]) -> Word | int | datetime:
    """Reads the value of `--start`: one of the words, a seq or a date. Raises InvalidStart."""
    try:
        return read_start(text, words)
    except ValueError:
        raise errors.InvalidStart(
            f"--start {text!r} is none of: {', '.join(words)}, a seq, a date such as 2025-01-31T12:00Z"
        ) from None


def read_age(text: str) -> timedelta:
    """Reads the value of `--older-than`. Raises InvalidArgument."""
    found = _AGE.fullmatch(text)
    if found is None:
        raise errors.InvalidArgument(f"--older-than {text!r}: give a number and a unit, such as 90d, 12h or 4w")
    return int(found[1]) * _UNITS[found[2]]
