"""Finds the names of django_mongodb_backend that are in no documentation. Seen in 5.2.

`in_atomic_block_mongo` and `session` of a connection tell whether its `transaction.atomic` is open, and the session.
"""

from __future__ import annotations

from typing import Any

from pymongo.client_session import ClientSession

from outbox.errors import TransactionRequired


def session_of(connection: Any) -> ClientSession | None:
    """Returns the session of the atomic block that is open on a connection of Django; None when there is none.

    Raises TransactionRequired when this version of the backend does not tell.
    """
    try:
        session: ClientSession | None = connection.session if connection.in_atomic_block_mongo else None
    except AttributeError as error:
        raise TransactionRequired(
            f"django_mongodb_backend.transaction.atomic may be open here, and cannot be seen: {error}. Install an "
            "older django-mongodb-backend, or a newer mongo-outbox"
        ) from error
    return session
