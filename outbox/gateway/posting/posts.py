"""Puts what a client posts: validated by its message class, and once for each Idempotency-Key, for a day."""

from __future__ import annotations

import hashlib
import threading
from dataclasses import dataclass
from typing import Any

from bson import ObjectId
from pymongo.client_session import ClientSession
from pymongo.collection import Collection

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


@dataclass(frozen=True)
class Once:
    """Whose key it is, and what came with it: another message with the same key is a mistake."""

    caller: str
    key: str
    body: bytes

    @property
    def id(self) -> Document:
        """The `_id` of what is remembered."""
        return {"caller": self.caller, "key": self.key}

    @property
    def digest(self) -> str:
        """Says what the message was."""
        return hashlib.sha256(self.body).hexdigest()


class Posts:
    """Puts messages for clients. Thread-safe; its calls ask the server."""

    def __init__(self, orders: Outbox) -> None:
        self._orders = orders
        self._schemas = orders.message_types.schemas()
        self._lock = threading.Lock()
        self._kept: Collection[Document] | None = None

    def put(self, post: Post, once: Once | None) -> tuple[ObjectId, bool]:
        """Puts a message; returns its id, and whether it is new. Raises as Outbox.put, and Refusal."""
        message = self._message(post)
        headers = post.headers or None
        if once is None:
            return self._orders.put(message, headers=headers, standalone=True), True
        kept, client = self._keeping(), self._orders.collections.client

        def work(session: ClientSession) -> tuple[ObjectId, bool]:
            found = kept.find_one({"_id": once.id}, session=session)
            if found is not None:
                if found["digest"] != once.digest:
                    raise Refusal(422, "key_reused", "this Idempotency-Key came with another message before")
                return found["id"], False
            id = self._orders.put(message, headers=headers, session=session)
            entry = [{"$set": {"at": "$$NOW", "id": id, "digest": once.digest}}]
            kept.update_one({"_id": once.id}, entry, upsert=True, session=session)
            return id, True

        return transaction(client, work)

    def _message(self, post: Post) -> Any:
        """Makes the message. Raises InvalidMessage, which says why, for what its class and the server would refuse."""
        schema = self._schemas.get(post.type)
        if schema is None:
            raise UnknownMessage(f"{post.type!r:.100} is no message type of this gateway")
        types = self._orders.message_types
        if post.data is None:
            if types.compactions.get(post.type) != KEY or post.key is None:
                raise InvalidMessage(f"{post.type}: data is null, which is for types that are compacted by their key")
            return Tombstone(types.class_of(post.type), post.key, None)
        data = from_json(schema, post.data)
        if isinstance(why := finding(schema, data), str):
            raise InvalidMessage(f"{post.type}: {why}")
        message = types.made(post.type, data)
        _, key, _ = types.encode(message)
        if post.key is not None and post.key != key:
            has = "has no key" if key is None else f"has the key {key!r:.100} by its data"
            raise InvalidMessage(f"{post.type}: key={post.key!r:.100}, but the message {has}: leave it out")
        return message

    def key_of(self, post: Post) -> str | None:
        """Returns the key that a message gets. Raises as `put`; asks no server."""
        message = self._message(post)
        return message.key if isinstance(message, Tombstone) else self._orders.message_types.encode(message)[1]

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
