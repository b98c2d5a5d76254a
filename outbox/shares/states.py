"""What the states of a projection are called in NAME.states, and their removal once nobody works on them."""

from __future__ import annotations

import re

from pymongo.client_session import ClientSession

from outbox.mongo.calls import transaction
from outbox.mongo.codec import Document
from outbox.mongo.collections import Collections
from outbox.shares.layout import cursors_of

KIND = "projection"
BESIDE = "~new"
"""What is added to the name of a projection whose states are made anew, beside those in use."""
_PORTION = 1000


def state_id(name: str, key: str | None) -> str:
    """Returns the `_id` of the state of a key, or of the one state of a projection that has no keys."""
    return name if key is None else f"{name}/{key}"


def key_of(name: str, id: str) -> str | None:
    """Returns the key that the state with this `_id` is of."""
    return None if id == name else id[len(name) + 1 :]


def states_of(name: str) -> Document:
    """Finds the states of a projection; a name has no slash, and a key may."""
    return {"_id": {"$regex": f"^{re.escape(name)}(/|$)"}}


def remove_states(collections: Collections, reader: str) -> None:
    """Removes the states of a projection that has no cursor, by the reader's id; nothing when it has one.

    Each portion in a transaction that looks for the cursor first: a process that was frozen before it must not remove
    the states of one that has begun meanwhile. Raises pymongo's errors, after which it can be called again.
    """
    states, name = collections.states, reader.partition(":")[2]

    def work(session: ClientSession) -> int:
        if collections.cursors.find_one(cursors_of(reader), {"_id": 1}, session=session) is not None:
            return 0
        found = states.find(states_of(name), {"_id": 1}, limit=_PORTION, session=session)
        ids = [each["_id"] for each in found]
        return states.delete_many({"_id": {"$in": ids}}, session=session).deleted_count if ids else 0

    while transaction(collections.client, work):
        pass
