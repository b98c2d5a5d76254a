"""What a reader asks for by `types` and `key`: checked, because a selector that matches nothing is silent for ever."""

from __future__ import annotations

import difflib
import logging
from collections.abc import Iterable, Sequence
from typing import Any

from pymongo.errors import PyMongoError

from outbox.errors import InvalidSelector
from outbox.messages.compaction import KEY_TYPES, key_text
from outbox.messages.declaration import TYPE_NAME
from outbox.messages.message_types import MessageTypes
from outbox.mongo.calls import outside_bound_session
from outbox.mongo.collections import Collections
from outbox.mongo.server_errors import short_message
from outbox.staging.validator import types_of

logger = logging.getLogger("outbox")


def selected_types(types: object, known: MessageTypes) -> frozenset[str] | None:
    """The type names that are asked for; None for all. Raises InvalidSelector, and UnknownMessage for a class."""
    if types is None:
        return None
    if isinstance(types, (str, bytes, type)) or not isinstance(types, Iterable):
        raise InvalidSelector(f"types={types!r}: give a list of message classes or type names, or None for all")
    names = frozenset(_name(each, known) for each in types)
    if not names:
        logger.warning("types is empty, so no record will ever come: leave it out, or give None, for all")
    return names


def _name(each: Any, known: MessageTypes) -> str:
    name = known.name_of(each)
    if not TYPE_NAME.fullmatch(name):
        raise InvalidSelector(f"types: {name!r} can be no message's type: 1 to 249 letters, digits, '.', '_' or '-'")
    return str.__str__(name)  # of an enum's member its value


def selected_key(key: object) -> str | None:
    """The key that is asked for, as `put` makes its text; None for all. Raises InvalidSelector."""
    if key is None:
        return None
    if isinstance(key, bool) or not isinstance(key, KEY_TYPES):
        raise InvalidSelector(f"key={key!r}: a {type(key).__name__}; a key is a text, int, ObjectId or UUID")
    return key_text(key)


@outside_bound_session
def warn_of_unknown(collections: Collections, names: frozenset[str]) -> None:
    """Warns of those that no service has declared. Never raises for a server that cannot be asked just now."""
    try:
        options = collections.options(collections.staging.name) or {}
    except PyMongoError as error:
        about = {"outbox": collections.log.full_name}
        said = "could not look which types %s takes: %s"
        logger.info(said, collections.staging.full_name, short_message(error), extra=about)
        return
    warn_of_undeclared(names, types_of(options.get("validator", {})), collections.staging.full_name)


def warn_of_undeclared(names: frozenset[str], declared: Sequence[str], where: str) -> None:
    """Warns of type names that are not among the declared ones."""
    for name in sorted(names.difference(declared)):
        near = difflib.get_close_matches(name, declared, n=1)
        logger.warning(
            "no service has declared the message type %r in %s%s. Its records come once there are any",
            name,
            where,
            f"; did you mean {near[0]!r}?" if near else "",
        )
