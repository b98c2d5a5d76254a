"""Declares message classes: mongoengine documents that carry a type name, and perhaps a key."""

from __future__ import annotations

import builtins
import contextlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from mongoengine import EmbeddedDocument, fields  # type: ignore[import-untyped]  # mongoengine ships no types
from mongoengine.errors import NotRegistered  # type: ignore[import-untyped]  # as above

from outbox.errors import InvalidMessageClass
from outbox.messages.compaction import DATA, KEY, checked_attribute
from outbox.messages.exact import keep_in_all
from outbox.messages.fields import bson_schema

D = TypeVar("D", bound=EmbeddedDocument)

# What Kafka allows in a topic's name, so that the topic template `{type}` always works.
TYPE_NAME = re.compile(r"(?!\.{1,2}\Z)[A-Za-z0-9._-]{1,249}")
KEY_FIELDS = (fields.StringField, fields.IntField, fields.ObjectIdField, fields.UUIDField)


@dataclass(frozen=True)
class Declaration:
    """Holds the arguments of `@message`."""

    type: str
    key: str | None
    strict: bool
    compact: str | None
    """The name of the attribute whose value is the compaction id; None for a type that is not compacted."""


def message(
    type: str, *, key: str | None = None, strict: bool = True, compact: bool | str = False
) -> Callable[[builtins.type[D]], builtins.type[D]]:
    """Declares an EmbeddedDocument as the message class of one type.

    `type` is the name readers know it by, `[A-Za-z0-9._-]{1,249}` and neither `.` nor `..`; `key` names the field
    (text, int, ObjectId or UUID) that orders and partitions the messages, None for messages that need no order.
    `strict=False` lets mongoengine convert values, such as 2.9 to 2; else `put` refuses a value that would change.
    `compact=True` says that a message replaces those before it of its key, and `compact="line_id"` those of this value
    of another field that could be a key: the outbox keeps the newest of each, and takes tombstones.
    Raises InvalidMessageClass at once for anything that could not be stored or enforced.
    """
    if not isinstance(type, str) or not TYPE_NAME.fullmatch(type):
        raise InvalidMessageClass(
            f"{type!r} is not a type name: 1 to 249 letters, digits, '.', '_' or '-', and not '.' or '..'"
        )

    name = str.__str__(type)  # for a member of a text enum, its value

    def declare(cls: builtins.type[D]) -> builtins.type[D]:
        _check(cls, key)
        attribute = checked_attribute(cls, key, compact)
        if attribute is not None:
            _check_key(cls, attribute, "compaction id")
        if strict:
            # A class that is named by text may be defined later: MessageTypes checks again.
            with contextlib.suppress(NotRegistered):
                keep_in_all(cls)
        cls._outbox_declaration = Declaration(name, key, strict, attribute)
        return cls

    return declare


def _check(cls: Any, key: str | None) -> None:
    if not _is_document_class(cls):
        raise InvalidMessageClass(f"{cls!r} cannot be a message: derive it from mongoengine.EmbeddedDocument")
    earlier = declaration_of(cls)
    if earlier is not None:
        raise InvalidMessageClass(f"{cls.__name__} already is the message {earlier.type!r}: one type a class")
    if cls._meta.get("abstract"):
        raise InvalidMessageClass(f"{cls.__name__} is abstract: decorate the classes derived from it")
    if key is not None:
        _check_key(cls, key)
    # A class that is named by text may be defined later: MessageTypes checks again.
    with contextlib.suppress(NotRegistered):
        bson_schema(cls)


def _is_document_class(cls: object) -> bool:
    return isinstance(cls, type) and issubclass(cls, EmbeddedDocument)


def declaration_of(cls: object) -> Declaration | None:
    """Returns how a class was declared; None if it is no message class. A class derived from one is none."""
    declaration: Declaration | None = vars(cls).get("_outbox_declaration") if _is_document_class(cls) else None
    return declaration


def compaction_of(cls: Any) -> str | None:
    """Returns what the messages of a message class are compacted by, as outbox.messages.compaction writes it."""
    declaration = declaration_of(cls)
    if declaration is None or declaration.compact is None:
        return None
    return KEY if declaration.compact == declaration.key else f"{DATA}{cls._fields[declaration.compact].db_field}"


def _check_key(cls: Any, key: str, what: str = "key") -> None:
    field = cls._fields.get(key)
    if field is None:
        raise InvalidMessageClass(f"{cls.__name__} has no field {key!r} to be its {what}")
    if not isinstance(field, KEY_FIELDS) or isinstance(field, fields.ComplexDateTimeField):
        raise InvalidMessageClass(
            f"{cls.__name__}.{key} is a {type(field).__name__}; a {what} is a text, int, ObjectId or UUID field"
        )
