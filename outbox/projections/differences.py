"""The first place where two values of BSON differ."""

from __future__ import annotations

from typing import Any, NamedTuple

from bson import Int64


class Difference(NamedTuple):
    """Where two values differ, and what each has there: None where it has nothing."""

    path: str
    """The names and numbers on the way to it, with dots between them; empty for the values themselves."""
    expected: Any
    found: Any


def difference(expected: Any, found: Any) -> Difference | None:
    """Returns the first difference, in the order of `expected`; None when there is none.

    Both value and type count, and the order of a document's fields does not. Int64 is an int, and NaN equals NaN.
    """
    if isinstance(expected, dict) and type(expected) is type(found):
        return _in_documents(expected, found)
    if isinstance(expected, list) and type(expected) is type(found):
        return _in_lists(expected, found)
    if _type(expected) is _type(found) and (expected == found or (expected != expected and found != found)):  # NaN
        return None
    return Difference("", expected, found)


def _in_documents(expected: dict[Any, Any], found: dict[Any, Any]) -> Difference | None:
    for name, value in expected.items():
        if name not in found:
            return Difference(str(name), value, None)
        deeper = difference(value, found[name])
        if deeper is not None:
            return _under(name, deeper)
    for name, value in found.items():
        if name not in expected:
            return Difference(str(name), None, value)
    return None


def _in_lists(expected: list[Any], found: list[Any]) -> Difference | None:
    for at, (left, right) in enumerate(zip(expected, found, strict=False)):
        deeper = difference(left, right)
        if deeper is not None:
            return _under(at, deeper)
    if len(expected) == len(found):
        return None
    at = min(len(expected), len(found))
    return Difference(str(at), *(side[at] if at < len(side) else None for side in (expected, found)))


def _under(name: Any, deeper: Difference) -> Difference:
    return deeper._replace(path=f"{name}.{deeper.path}" if deeper.path else str(name))


def _type(value: Any) -> type[Any]:
    return int if type(value) is Int64 else type(value)
