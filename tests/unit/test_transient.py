"""Which errors of the database a reader rides out."""

from __future__ import annotations

import pytest
from pymongo import MongoClient
from pymongo.errors import AutoReconnect, ConfigurationError, ExecutionTimeout, OperationFailure, PyMongoError

from outbox.transient import is_transient

NO_SESSIONS = ConfigurationError("Sessions are not supported by this MongoDB deployment")


@pytest.mark.parametrize(
    "error",
    [
        AutoReconnect("connection reset"),
        ExecutionTimeout("too slow", 50),
        OperationFailure("not primary", 10107),
        OperationFailure("write conflict", 112, {"errorLabels": ["TransientTransactionError"]}),
        NO_SESSIONS,
    ],
)
def test_what_passes_by_itself_is_waited_for(error: PyMongoError) -> None:
    assert is_transient(error)


@pytest.mark.parametrize("error", [OperationFailure("not authorized", 13), ConfigurationError("no such option")])
def test_what_somebody_must_see_to_is_not(error: PyMongoError) -> None:
    assert not is_transient(error)


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
