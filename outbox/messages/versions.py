"""Versions of a message type: a header names the one that a message was put as, and functions make newer ones of it."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeVar

from outbox.errors import InvalidMessage, InvalidMessageClass

SCHEMA_VERSION = "schema-version"
"""The header that says which version of its type a message is; without it, version 1."""
MOST = 9999

Upcast = Callable[[dict[str, Any]], dict[str, Any]]
F = TypeVar("F", bound=Upcast)
_upcasts: dict[tuple[str, int], Upcast] = {}


class TypeVersion(NamedTuple):
    """A message type in one of its versions."""

    type: str
    version: int

    def __str__(self) -> str:
        return repr(self.type) if self.version == 1 else f"{self.type!r} (version {self.version})"


def checked_version(version: object) -> int:
    """Returns the version that a class is declared with. Raises InvalidMessageClass."""
    if isinstance(version, bool) or not isinstance(version, int) or not 1 <= version <= MOST:
        raise InvalidMessageClass(f"version={version!r:.100}: give 1 to {MOST}; each that breaks the last is one more")
    return version


def version_of(type: str, headers: Mapping[str, str]) -> int:
    """Returns which version a message was put as. Raises InvalidMessage for a header that says none."""
    text = headers.get(SCHEMA_VERSION)
    if text is None:
        return 1
    if not text.isascii() or not text.isdecimal() or not 1 <= int(text[:5]) <= MOST:
        raise InvalidMessage(f"{type}: the header {SCHEMA_VERSION!r} is {text!r:.40}: a version is 1 to {MOST}")
    return int(text)


def upcast(type: str, version: int) -> Callable[[F], F]:
    """Declares how data of a type's `version` becomes data of the next one, for who reads an older message.

    The function is given a copy of the data, as BSON decodes it, and returns what the class of `version + 1` would have
    stored. `record.message` goes through as many of them as it takes; `record.data` stays as stored. It holds for the
    whole process, and must be declared before messages are read. Raises InvalidMessageClass for a second function for
    the same version.
    """
    key = type, checked_version(version)

    def declare(function: F) -> F:
        earlier = _upcasts.get(key)
        if earlier is not None and _place(earlier) != _place(function):  # a module may be loaded again
            raise InvalidMessageClass(
                f"upcast({type!r}, {version}) is {_place(earlier)} already, and {_place(function)} would be another"
            )
        _upcasts[key] = function
        return function

    return declare


def _place(function: Upcast) -> str:
    return f"{getattr(function, '__module__', '?')}.{getattr(function, '__qualname__', function)}"


def missing_upcasts(type: str, version: int, newest: int) -> list[int]:
    """Returns from which versions, of `version` and those behind it, no function leads to the next one."""
    return [each for each in range(version, newest) if (type, each) not in _upcasts]


def upcasted(type: str, data: dict[str, Any], version: int, newest: int) -> dict[str, Any]:
    """Returns the data in the shape of the version `newest`. Raises InvalidMessage."""
    if version > newest:
        raise InvalidMessage(
            f"{type}: the message is of version {version}, and the class here of version {newest}: deploy the newer "
            "class to who reads first; the record's `data` has it as it stands"
        )
    if version < newest:
        data = copy.deepcopy(data)
    for each in range(version, newest):
        function = _upcasts.get((type, each))
        if function is None:
            raise InvalidMessage(
                f"{type}: the message is of version {version}, the class here of version {newest}, and there is no "
                f"@upcast({type!r}, {each}): declare how its data becomes that of version {each + 1}"
            )
        try:
            data = function(data)
        except Exception as error:
            raise InvalidMessage(f"{type}: {_place(function)}, its upcast from version {each}, failed") from error
        if not isinstance(data, dict):
            raise InvalidMessage(
                f"{type}: {_place(function)}, its upcast from version {each}, has returned no dict: return the data"
            )
    return data
