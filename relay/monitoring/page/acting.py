"""Does what is asked for on the page: requeues, discards, pauses, resumes, and has it written to NAME.acts."""

from __future__ import annotations

from typing import Any, get_args

from bson import ObjectId

from outbox.acts.log import Person, What
from outbox.acts.operator import Operator
from outbox.dead_letters.admin import Selection
from outbox.errors import InvalidArgument, InvalidSelector
from outbox.location import message_id
from outbox.mongo.collections import Collections
from outbox.monitoring.privileges import Privileges

ACTING: Privileges = {".staging": ("insert",), ".acts": ("find", "insert", "update")}
"""What acting needs besides what a relay needs: to put again what the log refused, and to write what is done."""
MOST_IDS = 1000


def act(collections: Collections, asked: Any, address: str) -> dict[str, Any]:
    """Does one act, and returns what came of it, as JSON has it.

    asked: `{what, reader, who, reason, selection}`; the selection of letters is one of `{all: true}`, `{ids: […]}`, and
    `key` or `type` or both. Raises InvalidArgument, InvalidSelector, InvalidName, UnknownReader and pymongo's errors.
    """
    if not isinstance(asked, dict):
        raise InvalidArgument("send an object: {what, reader, who, reason, selection}")
    what, reader, who, reason = (_text(asked, name) for name in ("what", "reader", "who", "reason"))
    if what not in get_args(What):
        raise InvalidArgument(f"what={what!r:.50}: give one of {', '.join(get_args(What))}")
    if not reason.strip():
        raise InvalidArgument("say why: a reason")
    operator = Operator(collections, reader, Person(who, f"page, from {address}"))
    if what == "pause":
        operator.pause(reason)
        return {"count": None}
    if what == "resume":
        operator.resume(reason)
        return {"count": None}
    selection = selected(asked.get("selection"))
    if what == "discard":
        return {"count": operator.discard(selection, reason)}
    requeued = operator.requeue(selection, reason)
    return {"count": requeued.letters, "refused": requeued.told}


def selected(asked: object) -> Selection:
    """Reads which letters are meant. Raises InvalidSelector unless exactly that is said."""
    given = {name: value for name, value in asked.items() if value is not None} if isinstance(asked, dict) else {}
    if given == {"all": True}:
        return Selection()
    if given.keys() == {"ids"}:
        return Selection(ids=_ids(given["ids"]))
    if given and given.keys() <= {"key", "type"} and all(isinstance(value, str) for value in given.values()):
        return Selection(key=given.get("key"), type=given.get("type"))
    raise InvalidSelector("say which letters: {ids: […]}, a key, a type or both, or {all: true}")


def _ids(given: object) -> tuple[ObjectId, ...]:
    if not isinstance(given, list) or not 0 < len(given) <= MOST_IDS:
        raise InvalidSelector(f"ids: give a list of 1 to {MOST_IDS}")
    return tuple(message_id(each) for each in given)


def _text(asked: dict[str, Any], name: str) -> str:
    value = asked.get(name)
    if not isinstance(value, str):
        raise InvalidArgument(f"{name}: give a text")
    return value
