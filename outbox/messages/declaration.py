"""Declares message classes: classes of a library that has models, which carry a type name, and perhaps a key."""

from __future__ import annotations

import builtins
import contextlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from outbox.errors import InvalidMessageClass
from outbox.messages.compaction import DATA, KEY, checked_attribute
from outbox.messages.kinds import Kind, NotDefined, kind_of
from outbox.messages.versions import checked_version

D = TypeVar("D")

# What Kafka allows in a topic's name, so that the topic template `{type}` always works.
TYPE_NAME = re.compile(r"(?!\.{1,2}\Z)[A-Za-z0-9._-]{1,249}")


@dataclass(frozen=True)
class Declaration:
    """Holds the arguments of `@message`."""

    type: str
    key: str | None
    strict: bool
    compact: str | None
    """The name of the attribute whose value is the compaction id; None for a type that is not compacted."""
    kind: Kind
    version: int = 1


def message(
    type: str, *, key: str | None = None, strict: bool = True, compact: bool | str = False, version: int = 1
) -> Callable[[builtins.type[D]], builtins.type[D]]:
    """Declares an EmbeddedDocument of mongoengine, or a BaseModel of pydantic, as the message class of one type.

    `type` is the name readers know it by, `[A-Za-z0-9._-]{1,249}` and neither `.` nor `..`; `key` names the field
    (text, int, ObjectId or UUID) that orders and partitions the messages, None for messages that need no order.
    `strict=False` lets the library convert values, such as "false" to False; else a value that would change is refused:
    by `put`, or by pydantic where the model is made.
    `compact=True` says that a message replaces those before it of its key, and `compact="line_id"` those of this value
    of another field that could be a key: the outbox keeps the newest of each, and takes tombstones.
    `version` is raised with a change that breaks what was deployed; `upcast` says how older messages are read then.
    Raises InvalidMessageClass at once for anything that could not be stored or enforced.
    """
    name = checked_name(type)

    def declare(cls: builtins.type[D]) -> builtins.type[D]:
        declared(cls, _kind(cls), name, key, strict=strict, compact=compact, version=version)
        return cls

    return declare


def checked_name(type: object) -> str:
    """Returns a type name; of a text enum's member its value. Raises InvalidMessageClass for what can be none."""
    if not isinstance(type, str) or not TYPE_NAME.fullmatch(type):
        raise InvalidMessageClass(
            f"{type!r} is not a type name: 1 to 249 letters, digits, '.', '_' or '-', and not '.' or '..'"
        )
    return str.__str__(type)


def declared(
    cls: Any, kind: Kind, name: str, key: str | None, *, strict: bool, compact: bool | str, version: int
) -> None:
    """Marks a class as the message class of a type, after all checks. Raises InvalidMessageClass."""
    version = checked_version(version)
    earlier = declaration_of(cls)
    if earlier is not None:
        raise InvalidMessageClass(f"{cls.__name__} already is the message {earlier.type!r}: one type a class")
    # A class that is named by text may be defined later: MessageTypes checks again.
    with contextlib.suppress(NotDefined):
        kind.check(cls)
    attribute = checked_attribute(cls, key, compact)
    with contextlib.suppress(NotDefined):
        if key is not None:
            kind.stored_name(cls, key, "key")
        if attribute is not None:
            kind.stored_name(cls, attribute, "compaction id")
        if strict:
            kind.keep_exact(cls)
    cls._outbox_declaration = Declaration(name, key, strict, attribute, kind, version)


def _kind(cls: Any) -> Kind:
    kind = kind_of(cls) if isinstance(cls, type) else None
    if kind is None:
        raise InvalidMessageClass(
            f"{cls!r} cannot be a message: derive it from mongoengine.EmbeddedDocument, or from pydantic.BaseModel of "
            "version 2"
        )
    return kind


def declaration_of(cls: object) -> Declaration | None:
    """Returns how a class was declared; None if it is no message class. A class derived from one is none."""
    declaration: Declaration | None = vars(cls).get("_outbox_declaration") if isinstance(cls, type) else None
    return declaration


def compaction_of(cls: Any) -> str | None:
    """Returns what the messages of a message class are compacted by, as outbox.messages.compaction writes it."""
    declaration = declaration_of(cls)
    if declaration is None or declaration.compact is None:
        return None
    if declaration.compact == declaration.key:
        return KEY
    return f"{DATA}{declaration.kind.stored_name(cls, declaration.compact, 'compaction id')}"
