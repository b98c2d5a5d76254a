"""Which Kafka the relays of a name write to, kept in their lease: one that is started for another Kafka is noticed."""

from __future__ import annotations

import logging
from typing import Protocol, runtime_checkable

from pymongo.errors import PyMongoError

from outbox.log.reader_id import described
from outbox.mongo.calls import outside_bound_session, time_limit
from outbox.mongo.collections import Collections
from outbox.mongo.server_errors import short_message

logger = logging.getLogger("relay")


@runtime_checkable
class OfCluster(Protocol):
    """A sink that knows which Kafka it writes to."""

    cluster: str | None
    """The id that the cluster has given itself; None until a broker has said so."""


@outside_bound_session
def known_cluster(collections: Collections, reader: str) -> str | None:
    """Returns the id of the Kafka that the reader with this id wrote to last. Raises pymongo's errors."""
    with time_limit():
        lease = collections.leases.find_one({"_id": reader}, {"kafka": 1})
    return None if lease is None else lease.get("kafka")


@outside_bound_session
def note_cluster(collections: Collections, reader: str, cluster: str) -> None:
    """Notes which Kafka the reader with this id writes to from now on, and warns when it was another before.

    Never raises for a server that is away: nothing depends on it.
    """
    try:
        with time_limit():
            before = collections.leases.find_one_and_update({"_id": reader}, {"$set": {"kafka": cluster}}, {"kafka": 1})
    except PyMongoError as error:
        logger.info("which Kafka %s writes to could not be noted: %s", described(reader), short_message(error))
        return
    if before is not None and before.get("kafka") not in (None, cluster):
        logger.warning(
            "%s of %s has written to another Kafka until now: to cluster %s, and from here on to %s. Each has a part "
            "of the messages. If that is not meant, give one of the two another --name",
            described(reader), collections.log.full_name, before["kafka"], cluster,
            extra={"outbox": collections.log.full_name, "reader": reader},
        )  # fmt: skip
