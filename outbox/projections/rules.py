"""How the states of a projection are made of records: what a program has said of it, and nothing of where they are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import bson
from bson.errors import BSONError
from bson.raw_bson import RawBSONDocument

from outbox.arguments import check_function
from outbox.errors import InvalidProjection, InvalidState
from outbox.log.record import Record
from outbox.messages.compaction import KEY_TYPES, key_text
from outbox.mongo.codec import DECODED, Document
from outbox.projections.differences import difference
from outbox.shares.states import state_id

LARGEST = 16 * 1024 * 1024
"""The most bytes that MongoDB takes for a document."""
Apply = Callable[[Any, Record[Any]], Any]
By = Callable[[Record[Any]], Any]


@dataclass(frozen=True)
class Rules:
    """See outbox.reading.Reading.projection, whose arguments these are. Thread-safe, if `apply` and `by` are.

    initial: the first state, as BSON: so each state begins with one of its own, whatever `apply` does to it.
    """

    name: str
    initial: bytes
    apply: Apply
    by: By | None
    version: int

    def begin(self) -> Any:
        """Returns the state before the first record."""
        return bson.decode(self.initial, DECODED)["state"]

    def key(self, record: Record[Any]) -> str | None:
        """Returns the key of the state that the record goes to. Raises InvalidState, and what `by` raises."""
        key = None if self.by is None else self.by(record)
        if key is None or type(key) is str:
            return key
        if isinstance(key, bool) or not isinstance(key, KEY_TYPES):
            raise InvalidState(
                f"by= returned {key!r:.100}, a {type(key).__name__}; a key is a text, int, ObjectId or UUID"
            )
        return key_text(key)

    def fold(self, state: Any, record: Record[Any]) -> Any:
        """Returns the state after this record. Raises InvalidState for None, and what `apply` raises."""
        state = self.apply(state, record)
        if state is None:
            raise InvalidState("apply returned None: it must return the state, also one that it has changed in place")
        return state

    def document(self, key: str | None, state: Any, last: Record[Any]) -> RawBSONDocument:
        """Makes the document of a state, after its last record. Raises InvalidState when MongoDB cannot keep it."""
        id = state_id(self.name, key)
        head = {"_id": id, "version": self.version, "seq": bson.Int64(last.seq), "id": last.id, "created": last.created}
        try:
            return RawBSONDocument(checked({**head, "state": state}))
        except InvalidState as error:
            raise InvalidState(f"the state {id!r}: {error}") from error


def checked(document: Document) -> bytes:
    """Returns the document as BSON, if its `state` comes back as it is.

    Else `apply` would be given another state after a restart than before. Raises InvalidState.
    """
    try:
        encoded = bson.encode(document, codec_options=DECODED)
    except (BSONError, OverflowError, RecursionError, TypeError, ValueError) as error:
        raise InvalidState(f"BSON cannot hold it: {error}") from error
    if len(encoded) > LARGEST:
        raise InvalidState(
            f"it would take {len(encoded):,} bytes, and MongoDB takes {LARGEST:,} for a document: keep less in it, or "
            "a state a key, by by="
        )
    changed = difference(document["state"], bson.decode(encoded, DECODED)["state"])
    if changed is not None:
        at = f"at {changed.path} " if changed.path else ""
        raise InvalidState(
            f"{at}it has {changed.expected!r:.100} (a {type(changed.expected).__name__}), which would come back from "
            f"MongoDB as {changed.found!r:.100} (a {type(changed.found).__name__}): use what BSON has"
        )
    return encoded


def rules(name: str, initial: Callable[[], Any], apply: Apply, by: object, version: object) -> Rules:
    """Checks what a program says of a projection. Raises InvalidProjection."""
    check_function(
        "initial", initial, "nothing, which returns the first state, such as dict", InvalidProjection, takes=0
    )
    check_function("apply", apply, "a state and a record", InvalidProjection, takes=2)
    if by is not None and by != "key":
        check_function("by", by, 'a record, or "key"', InvalidProjection)
    if isinstance(version, bool) or not isinstance(version, int) or not 1 <= version < 1 << 31:
        raise InvalidProjection(f"version={version!r}: give a whole number from 1 on, and a higher one for new states")
    first = initial()
    if first is None:
        raise InvalidProjection("initial() returned None: it must return the first state, such as {}")
    try:
        encoded = checked({"state": first})
    except InvalidState as error:
        raise InvalidProjection(f"initial() returned no state: {error}") from error
    return Rules(name, encoded, apply, _message_key if by == "key" else by, version)  # type: ignore[arg-type]  # as above


def _message_key(record: Record[Any]) -> str | None:
    return record.key
