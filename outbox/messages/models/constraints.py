"""Reads a field's metadata: constraints, of which it checks those that the server checks too, and functions."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sized
from dataclasses import dataclass
from typing import Any

import annotated_types
from pydantic.fields import FieldInfo

from outbox.messages.dialects import BSON, Dialect, Schema, is_portable
from outbox.messages.models.forms import Unfit, short
from outbox.messages.writing.layout import Bounds, bounds

_TOKEN = re.compile(r"\\.|\[(?:\\.|[^\]])*\]|\$", re.DOTALL)


@dataclass(frozen=True)
class Pattern:
    """Holds a pattern that Python, the server and JSON Schema read alike; it may match anywhere in the text."""

    python: re.Pattern[str]
    server: str
    people: str

    @classmethod
    def portable(cls, pattern: str | re.Pattern[str], *, rust: bool) -> Pattern | None:
        """Returns None for a pattern that they would read differently: only the client checks it."""
        text = pattern if isinstance(pattern, str) else pattern.pattern
        if not is_portable(text) or (isinstance(pattern, re.Pattern) and pattern.flags & ~re.UNICODE):
            return None
        if isinstance(pattern, str) and rust:
            if any(both in text for both in ("&&", "--", "~~")):  # set operations inside a class
                return None
            # Python and PCRE take `$` also before a line break at the end.
            strict = _TOKEN.sub(lambda token: r"\z" if token[0] == "$" else token[0], text)
            return cls(re.compile(strict.replace(r"\z", r"\Z")), strict, text)
        return cls(re.compile(text), text, text)


@dataclass(frozen=True)
class Constraints:
    """Holds what a field's metadata says of its values; the server and the client check it."""

    ge: Any = None
    gt: Any = None
    le: Any = None
    lt: Any = None
    multiple_of: Any = None
    min_length: int | None = None
    max_length: int | None = None
    pattern: Pattern | None = None

    @classmethod
    def of(cls, metadata: Iterable[Any], *, rust: bool) -> Constraints:
        """Reads them from a field's metadata; those that are given twice hold both."""
        found: dict[str, Any] = {}
        for item in _flat(metadata):
            for name in ("ge", "gt", "min_length"):
                _keep(found, name, getattr(item, name, None), max)
            for name in ("le", "lt", "max_length"):
                _keep(found, name, getattr(item, name, None), min)
            for name in ("multiple_of", "pattern"):
                _keep(found, name, getattr(item, name, None), lambda first, _: first)
        if "pattern" in found:
            found["pattern"] = Pattern.portable(found["pattern"], rust=rust)
        return cls(**found)

    def bounds(self, dialect: Dialect, bound: Any) -> Schema:
        """Makes the keywords of the numbers that it takes."""
        schema: Schema = {}
        for names, keyword in ((("ge", "gt"), "inimum"), (("le", "lt"), "aximum")):
            closed, opened = (getattr(self, name) for name in names)
            if opened is not None and (closed is None or (opened >= closed if names[0] == "ge" else opened <= closed)):
                limit = bound(opened)
                if dialect is BSON:
                    schema |= {f"m{keyword}": limit, f"exclusiveM{keyword}": True}
                else:
                    schema[f"exclusiveM{keyword}"] = limit
            elif closed is not None:
                schema[f"m{keyword}"] = bound(closed)
        return schema

    def check_number(self, value: Any) -> None:
        """Raises Unfit for a number out of bounds."""
        if self.ge is not None and not value >= self.ge:
            raise Unfit(f"{short(value)} is less than {self.ge}")
        if self.gt is not None and not value > self.gt:
            raise Unfit(f"{short(value)} is not greater than {self.gt}")
        if self.le is not None and not value <= self.le:
            raise Unfit(f"{short(value)} is greater than {self.le}")
        if self.lt is not None and not value < self.lt:
            raise Unfit(f"{short(value)} is not less than {self.lt}")

    @property
    def layout(self) -> Bounds:
        """The bounds of `check_number` for the writer in C."""
        return bounds(ge=self.ge, gt=self.gt, le=self.le, lt=self.lt)

    def sizes(self, unit: str) -> Schema:
        """Makes the keywords of its length; unit: `Length`, `Items` or `Properties`."""
        found = {f"min{unit}": self.min_length, f"max{unit}": self.max_length}
        return {keyword: limit for keyword, limit in found.items() if limit is not None}

    def check_size(self, value: Sized) -> None:
        """Raises Unfit for what is too short or too long."""
        size = len(value)
        if self.min_length is not None and size < self.min_length:
            raise Unfit(f"{short(value)} has {size}, less than {self.min_length}")
        if self.max_length is not None and size > self.max_length:
            raise Unfit(f"{short(value)} has {size}, more than {self.max_length}")


NO_LIMITS = Constraints()


def _flat(metadata: Iterable[Any]) -> Iterator[Any]:
    for item in metadata:
        if type(item).__module__.partition(".")[0] in ("annotated_types", "pydantic"):
            inner = getattr(item, "metadata", None)  # of a Field(…) inside Annotated
            yield from [item] if inner is None else _flat(inner)
        elif isinstance(item, annotated_types.GroupedMetadata):
            yield from _flat(item)


def _keep(found: dict[str, Any], name: str, value: Any, choose: Any) -> None:
    if value is not None:
        found[name] = choose(found[name], value) if name in found else value


def converts(metadata: Iterable[Any]) -> bool:
    """Tells whether a function of the user's own is among them: what it makes of a value is meant."""
    return any(is_function(item) for item in metadata)


def is_function(item: Any) -> bool:
    """Tells whether it is a function of the user's own, and no constraint."""
    if isinstance(item, FieldInfo):
        return converts(item.metadata)
    if isinstance(item, (annotated_types.BaseMetadata, annotated_types.GroupedMetadata)):
        return False
    return hasattr(item, "func") or hasattr(item, "__get_pydantic_core_schema__")
