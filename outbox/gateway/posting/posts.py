"""Puts what a client posts: validated by its message class, and once for each Idempotency-Key, for a day."""

from __future__ import annotations

import hashlib
import json
import threading
from dataclasses import astuple, dataclass
from typing import Any, NamedTuple

from bson import ObjectId
from pymongo.client_session import ClientSession
from pymongo.collection import Collection
from pymongo.errors import DuplicateKeyError

from outbox.errors import InvalidMessage, UnknownMessage
from outbox.gateway.answers import Refusal
from outbox.messages.compaction import KEY
from outbox.messages.from_json import from_json
from outbox.messages.plain.evaluation import finding
from outbox.mongo.calls import outside_bound_session, time_limit, transaction
from outbox.mongo.codec import Document
from outbox.outbox import Outbox
from outbox.staging.tombstone import Tombstone

KEPT_SECONDS = 86_400
"""So long a key is remembered."""
_INDEX = "kept"
_CREATE_SECONDS = 30.0


@dataclass(frozen=True)
class Post:
    """What is posted."""

    type: str
    key: str | None
    headers: dict[str, str]
    data: dict[str, Any] | None

    @property
    def digest(self) -> str:
        """Says what it is, however its JSON was written."""
        return hashlib.sha256(json.dumps(astuple(self), sort_keys=True).encode()).hexdigest()


class Made(NamedTuple):
    """The message of a post."""

    message: Any
    key: str | None
    post: Post


class Once(NamedTuple):
    """Whose Idempotency-Key it is."""

    caller: str
    key: str

    @property
    def id(self) -> Document:
        """The `_id` of what is remembered."""
        return {"caller": self.caller, "key": self.key}


class Posts:
    """Puts messages for clients. Thread-safe; its calls ask the server."""

    def __init__(self, orders: Outbox) -> None:
        self._orders = orders
        self._schemas = orders.message_types.schemas()
        self._lock = threading.Lock()
        self._kept: Collection[Document] | None = None

    def put(self, made: Made, once: Once | None) -> tuple[ObjectId, bool]:
        """Puts a message; returns its id, and whether it is new. Raises as Outbox.put, and Refusal."""
        headers = made.post.headers or None
        if once is None:
            return self._orders.put(made.message, headers=headers, standalone=True), True
        kept, digest = self._keeping(), made.post.digest

        def work(session: ClientSession) -> ObjectId:
            id: ObjectId = self._orders.put(made.message, headers=headers, session=session)
            entry = [{"$set": {"at": "$$NOW", "id": id, "digest": digest}}]
            # Fails where the key is there: that it is new need not be asked first.
            kept.update_one({"_id": once.id, "id": None}, entry, upsert=True, session=session)
            return id

        try:
            return transaction(self._orders.collections.client, work), True
        except DuplicateKeyError:
            return self._before(kept, once, digest), False

    @outside_bound_session
    def _before(self, kept: Collection[Document], once: Once, digest: str) -> ObjectId:
        """Returns the id of what came with a key before. Raises Refusal when that was another message."""
        with time_limit():
            found = kept.find_one({"_id": once.id})
        if found is None:  # forgotten since, after its day
            raise Refusal(503, "unavailable", "this Idempotency-Key is just being forgotten: try again")
        if found["digest"] != digest:
            raise Refusal(422, "key_reused", "this Idempotency-Key came with another message before")
        id: ObjectId = found["id"]
        return id

    def made(self, post: Post) -> Made:
        """Makes the message. Raises InvalidMessage, which says why, for what its class and the server would refuse.

        Asks no server.
        """
        schema = self._schemas.get(post.type)
        if schema is None:
            raise UnknownMessage(f"{post.type!r:.100} is no message type of this gateway")
        types = self._orders.message_types
        if post.data is None:
            if types.compactions.get(post.type) != KEY or post.key is None:
                raise InvalidMessage(f"{post.type}: data is null, which is for types that are compacted by their key")
            return Made(Tombstone(types.class_of(post.type), post.key, None), post.key, post)
        data = from_json(schema, post.data)
        if isinstance(why := finding(schema, data), str):
            raise InvalidMessage(f"{post.type}: {why}")
        message = types.made(post.type, data)
        _, key, _ = types.encode(message)
        if post.key is not None and post.key != key:
            has = "has no key" if key is None else f"has the key {key!r:.100} by its data"
            raise InvalidMessage(f"{post.type}: key={post.key!r:.100}, but the message {has}: leave it out")
        return Made(message, key, post)

    @outside_bound_session
    def _keeping(self) -> Collection[Document]:
        """Returns where keys are remembered; without its index they would never be forgotten."""
        with self._lock:
            if self._kept is None:
                collections = self._orders.collections
                kept = collections.database[f"{collections.name}.posts"]
                with time_limit(_CREATE_SECONDS):
                    kept.create_index("at", name=_INDEX, expireAfterSeconds=KEPT_SECONDS)
                self._kept = kept
            return self._kept

    def seq(self, id: ObjectId, since: int) -> int | None:
        """Returns the number of a message that was put when the log's newest was `since`; None while it has none."""
        record = self._orders.log.record_of(id, since + 1, 5.0)
        return None if record is None else record.seq
