"""Gives the dead letters of a reader to the page, some at a time: there may be a hundred thousand."""

from __future__ import annotations

from typing import Any

from bson import ObjectId

from outbox.dead_letters import document
from outbox.dead_letters.admin import DeadLetterAdmin, Selection
from outbox.dead_letters.document import SEQUENCER, State, message_id
from outbox.errors import InvalidSelector
from outbox.location import message_id as read_id
from outbox.log.undecoded import shown
from outbox.mongo.calls import time_limit
from outbox.mongo.codec import RAW, Document, decoded
from outbox.mongo.collections import Collections
from relay.monitoring.page.records import LARGEST_SHOWN, data_text, plain

MOST_LETTERS = 100
_SECONDS = 5.0
_BODY = ("data", "headers")


def letters(
    collections: Collections, reader: str, selection: Selection, state: State | None, after: str | None
) -> dict[str, Any]:
    """Returns those letters that an act with this selection is about, and that are in this state: a reader's own, and
    what the log itself refused. The latest put first, MOST_LETTERS at most, as JSON has them.

    after: the `next` of the call before, which is None when there is no more. `count` is how many match in all. Raises
    InvalidSelector and pymongo's errors.
    """
    query: Document = {**selection.query(reader), "reader": {"$in": [reader, SEQUENCER]}}
    if state is not None:
        query["state"] = state
    page = query if after is None else {"$and": [query, _behind(reader, after)]}
    raw = collections.dead.with_options(codec_options=RAW)
    with time_limit(_SECONDS):
        count = collections.dead.count_documents(query)
        left_out = dict.fromkeys((*_BODY, "hash"), 0)
        found = list(raw.find(page, left_out, sort=[("_id", -1)], limit=MOST_LETTERS + 1))
    listed = [decoded(bytes(each.raw)) for each in found[:MOST_LETTERS]]
    is_more = len(found) > MOST_LETTERS
    return {
        "letters": [document.as_json(each) for each in listed],
        "next": _place(listed[-1]) if is_more else None,
        "count": count,
    }


def letter(collections: Collections, reader: str, id: ObjectId, *, with_data: bool) -> dict[str, Any] | None:
    """Returns one of them, whole, as JSON has it; None when there is none. Raises pymongo's errors."""
    found = DeadLetterAdmin(collections, reader).letter(id)
    if found is None:
        return None
    told = document.as_json({name: value for name, value in found.items() if name not in _BODY})
    if not with_data:
        return told
    return {**told, "headers": plain(shown(found.get("headers"))), **data_text(shown(found.get("data")), LARGEST_SHOWN)}


def _place(letter: Document) -> str:
    return f"{'reader' if isinstance(letter['_id'], dict) else 'message'}:{message_id(letter)}"


def _behind(reader: str, after: str) -> Document:
    """Finds the letters behind one. A reader's letters are called by a document, or by the message's id alone, as the
    log's are; backwards, the server has all of the latter first, and compares like only with like."""
    kind, _, hexadecimal = after.partition(":")
    id = read_id(hexadecimal)
    if kind == "reader":
        return {"_id": {"$lt": {"reader": reader, "id": id}}}
    if kind == "message":
        return {"$or": [{"_id": {"$lt": id}}, {"_id": {"$type": "object"}}]}
    raise InvalidSelector(f"after={after!r:.100}: give the `next` of the call before")
