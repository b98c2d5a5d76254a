"""Sorts the server's errors into those that pass by themselves and others, tries again, and shortens their text.

What runs for long (a relay, a subscriber) waits until an error has passed; what is called once (`read`, `status`, a
command) tries again for a few seconds. An error that does not pass ends both, with the server's words.
"""

from __future__ import annotations

import functools
import logging
import re
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ParamSpec, TypeVar

from pymongo.errors import (
    BulkWriteError,
    ConfigurationError,
    ConnectionFailure,
    InvalidOperation,
    OperationFailure,
    PyMongoError,
)

from outbox.backoff import Pause

logger = logging.getLogger("outbox")

P = ParamSpec("P")
T = TypeVar("T")

PAGE = "docs/security.md"
TRY_SECONDS = 5.0
_LONGEST_PAUSE = 1.0
_UNAUTHORIZED = 13
_APPENDIX = re.compile(r", full error: | \(configured timeouts: |, Timeout: ")
_COMMAND = re.compile(r'(?s)command \{ (\w+): (?:"([^"]*)"|.).*')

# By rule: the codes of these categories of the server's. Names, codes and categories, 5.0 to 8.2:
# https://github.com/mongodb/mongo/blob/master/src/mongo/base/error_codes.yml; the test of this
# module has a copy.
_BY_CATEGORY = {
    "NetworkError": {6, 7, 89, 317, 384, 9001},
    "CloseConnectionError": {303, 372, 398},  # not 354: this is no load balancer, and never will be
    "NotPrimaryError": {189, 10107, 11602, 13435, 13436},
    "ShutdownError": {91, 333, 11600},
    "Interruption": {  # also by an administrator's killOp, killSessions, killCursors
        24, 50, 237, 262, 279, 281, 282, 290, 355, 453, 11600, 11601, 11602, 46841, 91331, 10045600,
    },
    "CancellationError": {90, 91, 310, 312, 333, 355, 11600, 46841},
    "ExceededTimeLimitError": {50, 202, 262, 290, 407},
    "CursorInvalidatedError": {43, 175, 237, 314},  # not 96, which says only that something failed
    "SnapshotError": {239, 246, 250, 272},
    "StaleShardVersionError": {150, 13388},
    "SystemOverloadedError": {433, 449, 450, 462},
    "RetriableError": {134, 358, 402, 406, 412, 50915},
}  # fmt: skip
# By hand: codes without a category that says so.
_BY_HAND = {
    46, 107, 109, 117, 215, 216, 249, 276, 285, 308, 12586, 12587,  # another operation is in the way, or an election
    64, 133, 187, 211,  # members that lag or are away: no majority in time, no key yet to a cluster time
    112, 206, 217, 225, 251, 256, 267, 363,  # a transaction or session that has ended: what is tried again has its own
    136, 143,  # a cursor that was overrun or is in use: the next read is a new query
    261, 264, 365, 404,  # too much at once; LDAP's server is away
    371, 14031,  # writes are blocked, or the disk is full: an operator mends that, and then it goes on
    391,  # the driver authenticates anew
    10058,  # not primary, of old servers
}  # fmt: skip
_CODES = frozenset[int](_BY_HAND).union(*_BY_CATEGORY.values())
_LABELS = (
    "RetryableWriteError",
    "TransientTransactionError",
    "UnknownTransactionCommitResult",  # our transactions are fenced, or change nothing the second time
    "ResumableChangeStreamError",
    "RetryableError",  # with SystemOverloadedError, from 8.2 on
    "SystemOverloadedError",
)
# What the driver says of a session over a connection that it made while the node was between two states (pymongo 4.20,
# seen once in some 40 minutes of step-downs and partitions). create() has refused whatever really has no sessions.
_NO_SESSIONS = "Sessions are not supported by this MongoDB deployment"


def is_transient(error: PyMongoError) -> bool:
    """Tells whether the same call may succeed in a moment, or after an operator has mended the server."""
    if isinstance(error, ConfigurationError):
        return _NO_SESSIONS in str(error)
    if any(error.has_error_label(label) for label in _LABELS):
        return True
    if isinstance(error, BulkWriteError):  # its own code says nothing
        codes = list(_inner_codes(error))
        return bool(codes) and all(code in _CODES for code in codes)
    if isinstance(error, ConnectionFailure) or error.timeout:
        return True
    return isinstance(error, OperationFailure) and error.code in _CODES


def _inner_codes(error: BulkWriteError) -> Iterator[int | None]:
    details: Any = error.details or {}
    for kind in ("writeErrors", "writeConcernErrors"):
        for inner in details.get(kind, ()):
            yield inner.get("code")


class Tries:
    """Tries again after errors that pass, for 5 s by default. Not thread-safe.

    A call that itself waits that long for a server is not tried again.
    """

    def __init__(self, seconds: float = TRY_SECONDS) -> None:
        self._seconds = seconds
        self.begin()

    def begin(self) -> None:
        """Begins anew, after progress."""
        self._until = time.monotonic() + self._seconds
        self._pause = Pause(_LONGEST_PAUSE)

    def wait(self, error: PyMongoError) -> None:
        """Waits before the next try. Raises an error that does not pass, or that came too late."""
        if not is_transient(error) or time.monotonic() > self._until:
            raise error
        logger.info("tried again in %.2f s: %s", self._pause.seconds, short_message(error))
        self._pause.wait()


def patiently(call: Callable[[], T], seconds: float = TRY_SECONDS) -> T:
    """Calls again while errors come that pass, for so many seconds; then raises the last one.

    For calls that may be made twice.
    """
    tries = Tries(seconds)
    while True:
        try:
            return call()
        except PyMongoError as error:
            tries.wait(error)


def patient(function: Callable[P, T]) -> Callable[P, T]:
    """Makes a function one that is called `patiently`."""

    @functools.wraps(function)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> T:
        return patiently(lambda: function(*args, **kwargs))

    return wrapper


def is_closed(error: BaseException) -> bool:
    """Tells whether the program has closed the client: nothing can be done with it from then on."""
    return isinstance(error, InvalidOperation) and "after close" in str(error)


def is_unauthorized(error: Exception) -> bool:
    """Tells whether the server refused a call for want of a privilege, or of a user."""
    return isinstance(error, OperationFailure) and error.code == _UNAUTHORIZED


def short_message(error: Exception) -> str:
    """The error's text up to what pymongo appends to it; other errors' texts as they are.

    A missing privilege is said with what to do about it, and without the refused command's values. What is no text,
    such as a path in another encoding, is written as escapes: it goes into documents, too.
    """
    said = _APPENDIX.split(str(error), maxsplit=1)[0].encode(errors="backslashreplace").decode()
    if isinstance(error, BulkWriteError):  # which itself says only that there were errors
        said = "; ".join(_reasons(error.details)) or said
    if not is_unauthorized(error):
        return said
    return f"{_COMMAND.sub(_named, said)}. {PAGE} has a role for each kind of process: grant it to MongoDB's user"


def _reasons(details: Mapping[str, Any]) -> list[str]:
    """Lists what the server said of a bulk write, without repetition; never the values of what it refused."""
    inner = (*details.get("writeErrors", ()), *details.get("writeConcernErrors", ()))
    said = (f"{error.get('errmsg') or 'no reason given'} ({error.get('code')})" for error in inner)
    return list(dict.fromkeys(said))[:3]


def _named(command: re.Match[str]) -> str:
    name, collection = command.groups()
    return name if collection is None else f"{name} on {collection}"
