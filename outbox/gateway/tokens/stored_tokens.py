"""Tokens in `NAME.tokens`, beside the outbox: for gateways on several machines."""

from __future__ import annotations

from outbox.gateway.tokens.token import Token, parse
from outbox.mongo.calls import outside_bound_session, time_limit
from outbox.mongo.collections import Collections


class StoredTokens:
    """Keeps tokens in the collection `NAME.tokens`. Thread-safe. Raises pymongo's errors."""

    def __init__(self, collections: Collections) -> None:
        self._tokens = collections.database[f"{collections.name}.tokens"]

    def __str__(self) -> str:
        return self._tokens.full_name

    @outside_bound_session
    def load(self) -> dict[str, Token]:
        """Reads all tokens. Raises InvalidArgument for one that is not as `outbox token` writes it."""
        with time_limit():
            return {token.name: token for token in (parse(each["_id"], each) for each in self._tokens.find())}

    @outside_bound_session
    def put(self, token: Token) -> None:
        """Adds a token, or replaces the one of its name."""
        with time_limit():
            self._tokens.replace_one({"_id": token.name}, token.as_document(), upsert=True)

    @outside_bound_session
    def remove(self, name: str) -> bool:
        """Removes a token; False when there was none."""
        with time_limit():
            return self._tokens.delete_one({"_id": name}).deleted_count > 0

    @outside_bound_session
    def note_use(self, name: str, at: str) -> None:
        """Notes when a token was used."""
        with time_limit():
            self._tokens.update_one({"_id": name}, {"$set": {"used": at}})
