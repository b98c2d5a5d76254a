"""Tells whether everything that is committed has been delivered."""

from __future__ import annotations

from pymongo.errors import PyMongoError
from pymongo.read_concern import ReadConcern

from outbox.log.log import Log
from outbox.log.position import Position
from outbox.mongo.calls import time_limit
from outbox.mongo.collections import Collections
from outbox.mongo.server_errors import is_transient


def is_drained(collections: Collections, position: Position | None) -> bool:
    """Tells whether all that is committed is delivered, for a reader at `position`. Raises errors that do not pass."""
    # Staging first: a message is in the log before it leaves staging. So when staging is empty, the head that is read
    # after it counts everything that was committed. A primary that was just elected may not know for a moment what is
    # committed: hence a linearizable read of staging, and a read of the head in the same causal session.
    staging = collections.staging.with_options(read_concern=ReadConcern("linearizable"))
    try:
        with collections.client.start_session(causal_consistency=True) as session:
            with time_limit():
                if staging.find_one({}, {"_id": 1}, session=session) is not None:
                    return False
            return position is not None and position[0] >= Log(collections).head(session)
    except PyMongoError as error:
        if not is_transient(error):
            raise
        return False
