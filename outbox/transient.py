"""Which of the server's errors pass by themselves: a reader rides these out, and stops at all others."""

from __future__ import annotations

from pymongo.errors import ConfigurationError, ConnectionFailure, OperationFailure, PyMongoError

# The server's names: https://github.com/mongodb/mongo/blob/v6.0/src/mongo/base/error_codes.yml
_CODES = frozenset(
    {
        6, 7, 89, 9001,  # HostUnreachable, HostNotFound, NetworkTimeout, SocketException
        43, 136, 175,  # CursorNotFound, CappedPositionLost, QueryPlanKilled: the next read is a new query
        91, 189, 10058, 10107, 11600, 11602, 13435, 13436,  # stepping down, shutting down, not primary (yet)
        50, 202, 262,  # MaxTimeMSExpired, NetworkInterfaceExceededTimeLimit, ExceededTimeLimit
        134, 211, 239, 246,  # majority or snapshot not available yet, cluster time's key not found yet
    }
)  # fmt: skip  # a line a meaning
# What the driver says of a session over a connection that it made while the node was between two states (pymongo 4.20,
# seen once in some 40 minutes of step-downs and partitions). create() has refused whatever really has no sessions.
_NO_SESSIONS = "Sessions are not supported by this MongoDB deployment"


def is_transient(error: PyMongoError) -> bool:
    """Whether the same call may well succeed in a moment, with nothing done about it."""
    if isinstance(error, ConnectionFailure) or error.timeout:
        return True
    if isinstance(error, ConfigurationError):
        return _NO_SESSIONS in str(error)
    return isinstance(error, OperationFailure) and (
        error.code in _CODES
        or error.has_error_label("RetryableWriteError")
        or error.has_error_label("TransientTransactionError")
    )
