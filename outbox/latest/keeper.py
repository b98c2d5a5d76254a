"""Keeps the view in the background of whoever reads or sequences, if the outbox has compacted types."""

from __future__ import annotations

import logging
import random
import threading
from contextlib import nullcontext
from typing import Any

from pymongo.errors import PyMongoError

from outbox.delivery.durable_reader import DurableReader
from outbox.errors import LogReplaced, OutboxError, OutboxNotCreated
from outbox.latest.delivery import ViewConfig
from outbox.latest.view import READER, deployed_compactions
from outbox.log.log import Log
from outbox.mongo.collections import Collections
from outbox.mongo.server_errors import is_closed, is_transient, is_unauthorized, short_message
from outbox.readers.head import Head
from outbox.readers.reader import LogReader
from outbox.readers.start import Start, resolve
from outbox.threads.program_end import CLOSED_SECONDS

logger = logging.getLogger("outbox")

LOOK_SECONDS = 15.0
"""Between two looks whether there are compacted types by now: all that an outbox without them costs."""
_AGAIN_SECONDS = 1.0
_STOPPED_SECONDS = 60.0
"""Between two tries after an error that somebody must see to: it is in the log output each time."""


class Beside:
    """The outbox, as a reader sees it that runs while others keep the background threads alive."""

    def __init__(self, collections: Collections, head: Head) -> None:
        self.name = collections.name
        self.collections = collections
        self.log = Log(collections)
        self._head = head

    def check_usable(self) -> None:
        """Raises nothing: what keeps the view is stopped with the background threads."""

    def reader(self, start: Start = "earliest") -> LogReader:
        return LogReader(self.collections, resolve(start, self.log), head=self._head)

    def running(self, await_seconds: float = 0.0, lease_seconds: float = 0.0) -> nullcontext[Any]:
        return nullcontext(self._head)


def keep_latest(collections: Collections, head: Head, stop: threading.Event) -> None:
    """Keeps the view until `stop` is set, whatever happens to the server or in here. Blocks."""
    while not stop.is_set():
        stop.wait(_kept(collections, head, stop))


def _kept(collections: Collections, head: Head, stop: threading.Event) -> float:
    """Keeps the view as long as that goes well; returns after how many seconds to try again."""
    about, name = {"outbox": collections.log.full_name, "reader": READER}, collections.latest.full_name
    try:
        if not deployed_compactions(collections):
            return LOOK_SECONDS
        _run(collections, head, stop)
    except (OutboxNotCreated, LogReplaced):  # a log made anew has a view of its own; its cursor says whether it may
        return _AGAIN_SECONDS
    except (PyMongoError, OutboxError) as error:
        if is_closed(error):
            stop.wait(CLOSED_SECONDS)
            return LOOK_SECONDS
        if isinstance(error, PyMongoError) and is_transient(error):
            return _AGAIN_SECONDS
        if is_unauthorized(error):
            logger.info("this process does not keep %s: %s", name, short_message(error), extra=about)
            return _STOPPED_SECONDS
        notes = "".join(f" {note}" for note in getattr(error, "__notes__", ()))
        logger.error("%s is not kept: %s.%s", name, short_message(error), notes, extra=about)  # noqa: TRY400  # no fault of ours
        return _STOPPED_SECONDS
    except Exception:
        logger.exception("%s is not kept: unforeseen", name, extra=about)
        return _STOPPED_SECONDS
    return _AGAIN_SECONDS


def _run(collections: Collections, head: Head, stop: threading.Event) -> None:
    config = ViewConfig(Beside(collections, head), "", "oldest", "stop", random.random)
    DurableReader(config, config.target(stop)).run(stop)
