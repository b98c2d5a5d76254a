"""Moves a message that the log refuses for good to NAME.dead, so that one bad put cannot block the outbox."""

from __future__ import annotations

import hashlib
import logging

from bson import ObjectId
from bson.raw_bson import RawBSONDocument

from outbox.dead_letters.document import LONGEST_REASON, MESSAGE_FIELDS
from outbox.dead_letters.document import refused as letter_of
from outbox.log import batch
from outbox.log.undecoded import is_partial
from outbox.mongo.calls import time_limit
from outbox.mongo.codec import decoded
from outbox.mongo.collections import Collections
from outbox.mongo.elements import DOCUMENT, NULL, OBJECT_ID, Element, document, elements

logger = logging.getLogger("outbox")

_LONGEST_ID = 1024
_NULL = Element(NULL, b"")


def dead_letter(collections: Collections, staged: bytes, code: int, reason: str) -> None:
    """Moves a staged document to NAME.dead, as far as a letter can hold it. Raises pymongo's errors.

    Decodes nothing of it, for it may be anything. After an error, calling it again with the same document is safe.
    """
    dead = collections.dead
    fields = dict(elements(staged))
    id = fields["_id"]
    kept, said = _kept(fields)
    reason = "; ".join([reason[:LONGEST_REASON], *said])
    letter_id = id
    if len(id.value) > _LONGEST_ID or is_partial(decoded(document([id.named(b"_id")]))):
        letter_id = Element(OBJECT_ID, hashlib.sha256(id.value).digest()[:12])
        reason += f"; its _id, a {id.kind} of {len(id.value)} bytes, was too large or too odd to keep"
    name = _text(letter_id)
    logger.error(
        "the log refuses message %s for good (%d: %s); it goes to %s", name, code, reason, dead.full_name,
        extra={"outbox": dead.full_name.removesuffix(".dead"), "id": name},
    )  # fmt: skip
    letter = letter_of(letter_id, kept, code, reason)
    with time_limit():
        # A pipeline, because pymongo decodes a replacement document, and a pipeline it sends as it is.
        dead.update_one(_the_one(letter_id), [{"$replaceWith": {"$literal": RawBSONDocument(letter)}}], upsert=True)
    with time_limit():
        collections.staging.delete_one(_the_one(id))


def _kept(fields: dict[str, Element]) -> tuple[dict[str, Element], list[str]]:
    """Chooses the fields that a letter can hold, leaves out the largest until they fit, and says which."""
    kept, said = {name: fields.get(name, _NULL) for name in MESSAGE_FIELDS}, []
    while sum(len(field.value) for field in kept.values()) > batch.LARGEST_MESSAGE:
        largest = max(MESSAGE_FIELDS, key=lambda name: len(kept[name].value))
        said.append(f"{len(kept[largest].value)} bytes of {largest} were too many to keep")
        kept[largest] = _NULL
    return kept, said


def _the_one(id: Element) -> RawBSONDocument:
    """Makes the query for the document with this `_id`, of whatever type it is."""
    equal = Element(DOCUMENT, document([id.named(b"$eq")]))
    return RawBSONDocument(document([equal.named(b"_id")]))


def _text(id: Element) -> str:
    return str(ObjectId(id.value)) if id.type == OBJECT_ID else f"with the {id.kind} {id.value[:50].hex()} as its _id"
