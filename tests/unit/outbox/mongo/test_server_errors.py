"""Which errors of the database are ridden out, and how long they are by what is asked once."""

from __future__ import annotations

from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.errors import (
    AutoReconnect,
    BulkWriteError,
    ConfigurationError,
    ExecutionTimeout,
    InvalidOperation,
    OperationFailure,
    PyMongoError,
    WriteConcernError,
    WTimeoutError,
)

from outbox.mongo import server_errors
from outbox.mongo.server_errors import is_transient, patiently

NO_SESSIONS = ConfigurationError("Sessions are not supported by this MongoDB deployment")

# The server's error_codes.yml from 5.0 to 8.2: the categories whose errors pass.
PASSING = {
    "NetworkError": [6, 7, 89, 317, 384, 9001],
    "NetworkTimeoutError": [89, 202],
    "Interruption": [
        24, 50, 237, 262, 279, 281, 282, 290, 355, 453, 11600, 11601, 11602, 46841, 91331, 10045600,
    ],
    "NotPrimaryError": [189, 10107, 11602, 13435, 13436],
    "ShutdownError": [91, 333, 11600],
    "CancellationError": [90, 91, 310, 312, 333, 355, 11600, 46841],
    "ExceededTimeLimitError": [50, 202, 262, 290, 407],
    "SnapshotError": [239, 246, 250, 272],
    "RetriableError": [
        6, 7, 89, 91, 134, 189, 262, 317, 358, 384, 402, 406, 407, 412, 453, 462, 9001, 10107, 11600, 11602, 13435,
        13436, 50915, 91331, 10045600,
    ],
    "CloseConnectionError": [303, 372, 398],
    "CursorInvalidatedError": [43, 175, 237, 314],
    "StaleShardVersionError": [150, 13388],
    "SystemOverloadedError": [433, 449, 450, 462],
    "no category says so": [
        46, 64, 107, 109, 112, 117, 133, 136, 143, 187, 206, 211, 215, 216, 217, 225, 249, 251, 256, 261, 264, 267,
        276, 285, 308, 363, 365, 371, 391, 404, 10058, 12586, 12587, 14031,
    ],
}  # fmt: skip
STAYING = [
    2, 14, 15, 20, 26, 48, 59, 66, 73, 115, 116, 166, 257, 263, 10334,  # what is asked cannot be
    13, 18,  # no right, no such user
    121, 11000,  # refused by a validator, or by an index
    79, 323, 354,  # the server is set up otherwise
    96, 146, 292,  # "operation failed"; more memory than one operation may have
    None,
]  # fmt: skip


@pytest.mark.parametrize("code", sorted(set().union(*PASSING.values())))
def test_a_code_that_passes_is_waited_for(code: int) -> None:
    assert is_transient(OperationFailure("in a moment", code))


@pytest.mark.parametrize("code", STAYING)
def test_what_somebody_must_see_to_is_not(code: int | None) -> None:
    assert not is_transient(OperationFailure("never", code))


@pytest.mark.parametrize(
    "label",
    [
        "RetryableWriteError",
        "TransientTransactionError",
        "UnknownTransactionCommitResult",
        "ResumableChangeStreamError",
        "RetryableError",
        "SystemOverloadedError",
    ],
)
def test_a_label_says_that_it_passes_whatever_the_code(label: str) -> None:
    assert is_transient(OperationFailure("in other words", 4_711, {"errorLabels": [label]}))


def test_that_nothing_was_written_says_nothing_of_trying_again() -> None:
    assert not is_transient(OperationFailure("no right", 13, {"errorLabels": ["NoWritesPerformed"]}))


@pytest.mark.parametrize(
    "error",
    [
        AutoReconnect("connection reset"),
        ExecutionTimeout("too slow", 50),
        WTimeoutError("waiting for replication timed out", 64, {"errInfo": {"wtimeout": True}}),
        WriteConcernError("shutting down", 91),
        NO_SESSIONS,
    ],
)
def test_what_passes_by_itself_is_waited_for(error: PyMongoError) -> None:
    assert is_transient(error)


@pytest.mark.parametrize("error", [ConfigurationError("no such option"), InvalidOperation("the client is closed")])
def test_what_the_driver_refuses_is_not(error: PyMongoError) -> None:
    assert not is_transient(error)


def bulk(*codes: int, concern: int | None = None) -> BulkWriteError:
    failed: dict[str, Any] = {"writeErrors": [{"index": 0, "code": code, "errmsg": "no"} for code in codes]}
    failed["writeConcernErrors"] = [] if concern is None else [{"code": concern, "errmsg": "late"}]
    return BulkWriteError(failed)


@pytest.mark.parametrize("error", [bulk(11601), bulk(112, 11602), bulk(concern=64), bulk(365, concern=91)])
def test_writes_in_bulk_pass_if_all_of_their_errors_do(error: BulkWriteError) -> None:
    assert is_transient(error)


@pytest.mark.parametrize("error", [bulk(121), bulk(11601, 11000), bulk(121, concern=64), bulk(concern=79), bulk()])
def test_one_error_that_stays_in_a_bulk_stays(error: BulkWriteError) -> None:
    assert not is_transient(error)


def test_what_is_asked_once_is_tried_again() -> None:
    errors = [OperationFailure("interrupted", 11601)] * 3

    def call() -> str:
        if errors:
            raise errors.pop()
        return "done"

    assert patiently(call) == "done"


def test_but_not_what_stays() -> None:
    tries = []

    def call() -> None:
        tries.append(1)
        raise OperationFailure("not authorized", 13)

    with pytest.raises(OperationFailure, match="not authorized"):
        patiently(call)
    assert len(tries) == 1


def test_nor_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_errors, "TRY_SECONDS", 0.2)

    def call() -> None:
        raise OperationFailure("interrupted", 11601)

    with pytest.raises(OperationFailure, match="interrupted"):
        patiently(call)


def test_a_connection_without_sessions_is_told_by_the_driver_in_these_words() -> None:
    """Goes red when the driver says it otherwise: it has no class or code of its own for it."""
    with (
        MongoClient[dict[str, object]]("mongodb://localhost:1", connect=False) as client,
        client.start_session() as session,
        pytest.raises(ConfigurationError, match=str(NO_SESSIONS)),
    ):
        session._apply_to({"ping": 1}, False, None, _NoSessions())  # type: ignore[arg-type]  # all it looks at


class _NoSessions:
    supports_sessions = False
