"""The log of acts, `NAME.acts`: who did what by hand, when, and why."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, NamedTuple

from bson import ObjectId
from pymongo.errors import PyMongoError

from outbox import dates
from outbox.dead_letters.admin import Selection, is_unicode
from outbox.errors import InvalidArgument
from outbox.mongo.calls import outside_bound_session, time_limit
from outbox.mongo.codec import Document
from outbox.mongo.collections import Collections
from outbox.mongo.server_errors import patient, patiently, short_message

logger = logging.getLogger("outbox")

What = Literal["requeue", "discard", "pause", "resume"]

LONGEST = 500  # characters of a name or a reason
MOST_ACTS = 1000


class Person(NamedTuple):
    """Says who acts, and through what: `command`, or the page with the address of the client."""

    who: str
    through: str


@dataclass
class Outcome:
    """Holds what came of an act: how many messages it was about, and which could not be requeued, with why."""

    count: int | None = None
    refused: tuple[str, ...] = ()


class ActLog:
    """Writes and reads the acts of an outbox. Thread-safe. Raises pymongo's errors."""

    def __init__(self, collections: Collections) -> None:
        self._acts = collections.acts

    @contextmanager
    def act(
        self, what: What, reader: str, person: Person, reason: str | None, selection: Selection | None = None
    ) -> Iterator[Outcome]:
        """Writes an act before what is inside the `with` does it, and then how that ended.

        Raises InvalidArgument when no name is given, or no reason where one is needed. Where the act cannot be written,
        it is not done.
        """
        told = _checked(person, what, reason)
        id = ObjectId()
        asked = None if selection is None else selection.asked()
        document = {"who": told.who, "through": told.through, "what": what, "reader": reader, "selection": asked}
        self._begin({"_id": id, **document, "reason": _clean(reason), "ended": None})
        outcome = Outcome()
        try:
            yield outcome
        except Exception as error:
            self._say_failed(id, error)
            raise
        ended = {"count": outcome.count, "refused": list(outcome.refused), "error": None}
        patiently(lambda: self._end(id, ended))

    @outside_bound_session
    @patient
    def _begin(self, act: Document) -> None:
        # By the server's clock; and literally, for a text may begin with a dollar.
        when = [{"$replaceWith": {"$mergeObjects": [{"$literal": act}, {"when": "$$NOW"}]}}]
        with time_limit():
            self._acts.update_one({"_id": act["_id"]}, when, upsert=True)

    @outside_bound_session
    def _end(self, id: ObjectId, ended: Document) -> None:
        change = {name: {"$literal": value} for name, value in ended.items()}
        with time_limit():
            self._acts.update_one({"_id": id}, [{"$set": {**change, "ended": "$$NOW"}}])

    def _say_failed(self, id: ObjectId, error: Exception) -> None:
        """Notes why an act failed. Once: the database may be away, and the error itself is to be raised soon."""
        try:
            self._end(id, {"count": None, "refused": [], "error": short_message(error)[: 4 * LONGEST]})
        except PyMongoError as another:
            about = {"outbox": self._acts.full_name.removesuffix(".acts")}
            said = "%s does not say that act %s failed: %s"
            logger.warning(said, self._acts.full_name, id, short_message(another), extra=about)

    @outside_bound_session
    @patient
    def newest(self, limit: int = 100) -> list[dict[str, Any]]:
        """Returns the newest acts first, as JSON shows them; at most MOST_ACTS."""
        with time_limit():
            found = self._acts.find(sort=[("when", -1), ("_id", -1)], limit=min(max(limit, 1), MOST_ACTS))
            return [_as_json(each) for each in found]


def _checked(person: Person, what: What, reason: str | None) -> Person:
    who = _clean(person.who)
    if not who:
        raise InvalidArgument("say who acts: a name")
    if what == "discard" and not _clean(reason):
        raise InvalidArgument("say why the messages are given up for good: a reason")
    return Person(who, person.through)


def _clean(text: str | None) -> str | None:
    """Returns a text that people gave, without blanks around; None when nothing is left. Raises InvalidArgument."""
    if not is_unicode(text):
        raise InvalidArgument(f"a name or a reason is a text of Unicode, not {text!r:.100}")
    if text is not None and len(text) > LONGEST:
        raise InvalidArgument(f"a name or a reason has at most {LONGEST} characters, not {len(text)}")
    return (text or "").strip() or None


def _as_json(act: Document) -> dict[str, Any]:
    shown = {"id": str(act["_id"]), **{name: value for name, value in act.items() if name != "_id"}}
    for name in ("when", "ended"):
        if isinstance(shown.get(name), datetime):
            shown[name] = dates.text(shown[name])
    return shown
