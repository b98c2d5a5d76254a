"""Compares schemas: whether one accepts all that another does. It says no where the structure does not show it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from bson import Decimal128

from outbox.messages.choices import identity

Schema = dict[str, Any]

_ANYTHING: Schema = {}


def differences(wide: Schema, narrow: Schema) -> list[str]:
    """Lists where `narrow` may accept what `wide` refuses, as `path: why`; empty when `wide` surely accepts it all.

    It knows the keywords that this package writes; any other must be equal in both.
    """
    return list(_differences(wide, narrow, "data"))


def _differences(wide: Schema, narrow: Schema, path: str) -> Iterator[str]:
    if "anyOf" in narrow:
        for branch in narrow["anyOf"]:
            yield from _differences(wide, branch, path)
    elif "anyOf" in wide:
        if all(differences(branch, narrow) for branch in wide["anyOf"]):
            yield f"{path}: none of the {len(wide['anyOf'])} alternatives accepts it"
    else:
        for keyword, limit in wide.items():
            if keyword in _STRUCTURE:
                continue
            holds = _LEAVES.get(keyword, _equal)
            if keyword not in narrow or not holds(limit, narrow[keyword]):
                yield f"{path}: {keyword} {_text(limit)} against {_text(narrow.get(keyword))}"
        yield from _object_differences(wide, narrow, path)
        if "items" in wide:
            yield from _differences(wide["items"], narrow.get("items", _ANYTHING), f"{path}[]")


_STRUCTURE = {"properties", "additionalProperties", "items"}


def _object_differences(wide: Schema, narrow: Schema, path: str) -> Iterator[str]:
    wide_fields, wide_others = wide.get("properties", {}), wide.get("additionalProperties", _ANYTHING)
    narrow_fields, narrow_others = narrow.get("properties", {}), narrow.get("additionalProperties", _ANYTHING)
    for name in [*narrow_fields, *(name for name in wide_fields if name not in narrow_fields)]:
        ours, theirs = wide_fields.get(name, wide_others), narrow_fields.get(name, narrow_others)
        yield from _field_differences(ours, theirs, f"{path}.{name}")
    yield from _field_differences(wide_others, narrow_others, f"{path}.*")


def _field_differences(wide: Schema | bool, narrow: Schema | bool, path: str) -> Iterator[str]:
    """Compares the schemas of one field. False: the field must not be there; True: any value."""
    if narrow is False or wide is True or wide == _ANYTHING:
        return
    if wide is False:
        yield f"{path}: not a field of both"
    else:
        yield from _differences(wide, _ANYTHING if narrow is True else narrow, path)


def _equal(wide: Any, narrow: Any) -> bool:
    return bool(wide == narrow)


def _number(value: Any) -> Any:
    return value.to_decimal() if isinstance(value, Decimal128) else value


def _types(value: Any) -> set[str]:
    return {value} if isinstance(value, str) else set(value)


def _enum_holds(wide: list[Any], narrow: list[Any]) -> bool:
    return {identity(value) for value in wide} >= {identity(value) for value in narrow}


_LEAVES: dict[str, Callable[[Any, Any], bool]] = {
    "bsonType": lambda wide, narrow: _types(wide) >= _types(narrow),
    "enum": _enum_holds,
    "required": lambda wide, narrow: set(wide) <= set(narrow),
    "minimum": lambda wide, narrow: bool(_number(wide) <= _number(narrow)),
    "maximum": lambda wide, narrow: bool(_number(wide) >= _number(narrow)),
    "minLength": lambda wide, narrow: wide <= narrow,
    "maxLength": lambda wide, narrow: wide >= narrow,
    "minItems": lambda wide, narrow: wide <= narrow,
    "maxItems": lambda wide, narrow: wide >= narrow,
    "minProperties": lambda wide, narrow: wide <= narrow,
}


def _text(value: Any) -> str:
    return "none" if value is None else str(value)
