"""The fence: the log's validator, by which the server itself refuses every sequencer but the newest."""

from __future__ import annotations

import logging

from pymongo.client_session import ClientSession
from pymongo.errors import PyMongoError

from outbox.log.log import Log, validator
from outbox.mongo.calls import time_limit
from outbox.mongo.collections import Collections
from outbox.mongo.lease import Lease
from outbox.mongo.server_errors import short_message

logger = logging.getLogger("outbox")

_FIRST_SECONDS = 0.2
_MOST_SECONDS = 2.0


def raise_fence(collections: Collections, lease: Lease, session: ClientSession) -> None:
    """Makes the server refuse, with error 121, whoever held the lease before, however long it slept.

    The validator stands in outbox/log/log.py; error 121 is met in outbox/sequencer/appender.py.

    An open transaction on the log makes the collMod wait, and every reader of the log then waits behind it. So it is
    tried for a short time only, and again. Raises LeaseLost and pymongo's errors.
    """
    patience: float | None = _FIRST_SECONDS
    while True:
        try:
            with time_limit(patience):
                collections.database.command(
                    "collMod",
                    collections.log.name,
                    validator=validator(lease.fence),
                    writeConcern={"w": "majority"},
                    session=session,
                )
            return
        except PyMongoError as error:
            if not error.timeout or patience is None:
                raise
            lease.check()
            if Log(collections).describe().fence == lease.fence:  # it is done; now a majority must confirm it
                patience = None
                continue
            name = collections.log.full_name
            logger.warning(
                "the validator of %s is held up, trying again: %s", name, short_message(error), extra={"outbox": name}
            )
            patience = min(2 * patience, _MOST_SECONDS)
