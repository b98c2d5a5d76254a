"""Compares schemas: whether one accepts all that another does. It says no where the structure does not show it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from bson import Decimal128

from outbox.messages.choices import identity
from outbox.messages.plain.evaluation import finding

Schema = dict[str, Any]

_ANYTHING: Schema = {}
_NOTHING: Schema = {"not": {}}


def differences(wide: Schema, narrow: Schema) -> list[str]:
    """Lists where `narrow` may accept what `wide` refuses, as `path: why`; empty when `wide` surely accepts it all.

    It knows the keywords that this package writes; any other must be equal in both.
    """
    return list(_differences(wide, narrow, "data"))


def _differences(wide: Schema, narrow: Schema, path: str) -> Iterator[str]:
    if identity(wide) == identity(narrow):
        return
    if "anyOf" in narrow:
        for branch in narrow["anyOf"]:
            yield from _differences(wide, branch, path)
    elif "anyOf" in wide:
        if all(differences(branch, narrow) for branch in wide["anyOf"]):
            yield f"{path}: none of the {len(wide['anyOf'])} alternatives accepts it"
    elif narrow.keys() == {"enum"} and not any(map(_is_number, narrow["enum"])):
        # Not of numbers: an enum of 1 accepts 1.0 and a decimal 1 as well.
        refused = [value for value in narrow["enum"] if finding(wide, value) is not None]
        if refused:
            yield f"{path}: enum {_text(wide.get('enum'))} against {_text(narrow['enum'])}"
    else:
        for keyword, limit in wide.items():
            if keyword in _STRUCTURE:
                continue
            if keyword in _BOUNDS:
                holds = keyword in narrow and _bound_holds(keyword, wide, narrow)
            elif keyword == "patternProperties":
                holds = _excludes_no_field(limit, narrow) or narrow.get(keyword) == limit
            else:
                holds = keyword in narrow and _LEAVES.get(keyword, _equal)(limit, narrow[keyword])
            if not holds:
                yield f"{path}: {keyword} {_text(limit)} against {_text(narrow.get(keyword))}"
        yield from _object_differences(wide, narrow, path)
        yield from _item_differences(wide, narrow, path)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float, Decimal128)) and not isinstance(value, bool)


_BOUNDS = {"minimum": "exclusiveMinimum", "maximum": "exclusiveMaximum"}


def _bound_holds(keyword: str, wide: Schema, narrow: Schema) -> bool:
    limit, other = _number(wide[keyword]), _number(narrow[keyword])
    if limit == other:
        return bool(not wide.get(_BOUNDS[keyword]) or narrow.get(_BOUNDS[keyword]))
    return bool(limit < other if keyword == "minimum" else limit > other)


def _excludes_no_field(patterns: Schema, narrow: Schema) -> bool:
    """Tells whether it is a closed schema, none of whose fields a pattern is for."""
    if narrow.get("additionalProperties") is not False or "patternProperties" in narrow:
        return False
    closed = {"patternProperties": dict.fromkeys(patterns, _NOTHING)}
    return finding(closed, dict.fromkeys(narrow.get("properties", {}))) is None


def _item_differences(wide: Schema, narrow: Schema, path: str) -> Iterator[str]:
    """Compares the items of lists: all alike, or each place by itself."""
    if "items" not in wide:
        return
    ours, theirs = wide["items"], narrow.get("items", _ANYTHING)
    if isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        for index, (our, their) in enumerate(zip(ours, theirs, strict=True)):
            yield from _differences(our, their, f"{path}[{index}]")
    elif isinstance(ours, list):
        yield f"{path}[]: {len(ours)} places of their own against other ones"
    elif isinstance(theirs, list):
        for index, their in enumerate(theirs):
            yield from _differences(ours, their, f"{path}[{index}]")
        if narrow.get("maxItems", len(theirs) + 1) > len(theirs):
            yield from _field_differences(ours, narrow.get("additionalItems", True), f"{path}[]")
    else:
        yield from _differences(ours, theirs, f"{path}[]")


_STRUCTURE = {"properties", "additionalProperties", "items", "exclusiveMinimum", "exclusiveMaximum"}


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
    "minLength": lambda wide, narrow: wide <= narrow,
    "maxLength": lambda wide, narrow: wide >= narrow,
    "minItems": lambda wide, narrow: wide <= narrow,
    "maxItems": lambda wide, narrow: wide >= narrow,
    "minProperties": lambda wide, narrow: wide <= narrow,
    "maxProperties": lambda wide, narrow: wide >= narrow,
    "uniqueItems": lambda wide, narrow: not wide or narrow,
}


def _text(value: Any) -> str:
    return "none" if value is None else str(value)
