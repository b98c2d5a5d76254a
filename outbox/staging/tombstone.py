"""Tombstones: messages without data, which say that there is nothing of a key or other compaction id any more."""

from __future__ import annotations

import builtins
from dataclasses import dataclass
from typing import Any

from outbox.errors import InvalidMessage, UnknownMessage
from outbox.messages.declaration import Declaration, declaration_of


@dataclass(frozen=True)
class Tombstone:
    """Stands for the end of all messages of one compaction id. Put it as a message; `tombstone` makes it."""

    message_class: builtins.type[Any]
    key: str | None
    compaction_id: str | None
    """None when it is the key."""

    def to_mongo(self) -> None:
        """Returns what is stored as its data: null."""


def tombstone(message_class: builtins.type[Any], /, *, key: object = None, **id: object) -> Tombstone:
    """Makes a message with `data: null`, to be put as any other, alone or in a list: its id is to be forgotten.

    `tombstone(Price, key="a1")` of a class with `compact=True`; `tombstone(OrderLine, key="o1", line_id="7")` of one
    with `compact="line_id"`. Both are what the messages had, of the types that their fields take; a class without a
    key takes none. Raises InvalidMessage, also for a class without `compact`, and UnknownMessage for no message class.
    """
    declaration = declaration_of(message_class)
    if declaration is None:
        raise UnknownMessage(f"{message_class!r:.100} is no message class, so there is no tombstone of it")
    if declaration.compact is None:
        raise InvalidMessage(
            f"{declaration.type}: {message_class.__name__} is not compacted, so it has no tombstones: declare it with "
            "compact=True, or compact='FIELD', and run create()"
        )
    given = {name: value for name, value in {"key": key, **id}.items() if value is not None}
    wanted = _arguments(declaration)
    if given.keys() != wanted.keys():
        raise InvalidMessage(
            f"{declaration.type}: a tombstone of {message_class.__name__} takes {' and '.join(wanted)}, "
            f"not {', '.join(given) or 'nothing'}"
        )
    texts = {name: _text(message_class, declaration, wanted[name], value) for name, value in given.items()}
    is_by_key = declaration.compact == declaration.key
    return Tombstone(message_class, texts.get("key"), None if is_by_key else texts[declaration.compact])


def _arguments(declaration: Declaration) -> dict[str, str]:
    """Returns the arguments that a tombstone needs, and the attribute that each of them is a value of."""
    key = {} if declaration.key is None else {"key": declaration.key}
    if declaration.compact is None or declaration.compact == declaration.key:
        return key
    return {**key, declaration.compact: declaration.compact}


def _text(cls: Any, declaration: Declaration, name: str, value: object) -> str:
    """Returns the text of a value as a message of the class would have it."""
    try:
        text = declaration.kind.key_text(cls, name, value)
        text.encode()
        return text
    except ValueError as error:
        raise InvalidMessage(f"{declaration.type}: {name}: {value!r:.100}: {error}") from error
