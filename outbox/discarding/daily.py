"""Removes what has its time behind it, once a day."""

from __future__ import annotations

import logging
import threading

from pymongo.errors import PyMongoError

from outbox.discarding.discard import Discard
from outbox.mongo.server_errors import is_transient, short_message

logger = logging.getLogger("outbox")

DAY_SECONDS = 86_400.0
AGAIN_SECONDS = 60.0
"""So soon it is tried again when the server did not answer."""


def discard_daily(discard: Discard, stop: threading.Event) -> None:
    """Removes it now, and then once a day, until `stop` is set. Blocks. Raises errors that do not pass by themselves.

    Several processes may do it at a time: each removes what the others have left.
    """
    while True:
        try:
            removed = {kind.name: kind.remove() for kind in discard.kinds}
        except PyMongoError as error:
            if not is_transient(error):
                raise
            logger.warning("what has its time behind it is removed later: %s", short_message(error))
            seconds = AGAIN_SECONDS
        else:
            if any(removed.values()):
                logger.info("removed %s", ", ".join(f"{count:,} {name}" for name, count in removed.items()))
            seconds = DAY_SECONDS
        if stop.wait(seconds):
            return
