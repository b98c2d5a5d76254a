"""Functions that make of BSON's values what a writer of Avro takes, one for each part of a schema."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bson import DBRef

from relay.encoding.avro.scalars import Fit, Unfit, no, scalar, shown


class Fits:
    """Makes the functions of a schema, once.

    named: its named types, each with its full name, as fastavro's parse_schema collects them.
    """

    def __init__(self, named: Mapping[str, Any]) -> None:
        self._named = named
        self._made: dict[str, Fit] = {}

    def of(self, schema: Any) -> Fit:
        """Returns the function of a parsed schema, or of a part of it."""
        if isinstance(schema, list):
            return self._union(schema)
        if isinstance(schema, str):
            return self._of_name(schema) if schema in self._named else self.of({"type": schema})
        kind = schema["type"]
        if kind in self._named:
            return self.of(kind)
        match kind:
            case "record":
                return self._record(schema)
            case "map":
                return self._map(schema)
            case "array":
                return self._array(schema)
        return scalar(schema)

    def _of_name(self, name: str) -> Fit:
        """A type may be inside of itself: what it is made of is looked up when the first value comes."""

        def fit(value: Any) -> Any:
            made = self._made.get(name)
            if made is None:
                made = self._made[name] = self.of(self._named[name])
            return made(value)

        return fit

    def _union(self, branches: list[Any]) -> Fit:
        """Takes the first branch that the value fits, and names it to the writer: it might take another one."""
        fits = [(_branch_name(each), self.of(each)) for each in branches if _branch_name(each) != "null"]
        has_null = len(fits) < len(branches)

        def fit(value: Any) -> Any:
            if value is None and has_null:
                return None
            last: Unfit | None = None
            for name, of in fits:
                try:
                    return name, of(value)
                except Unfit as unfit:
                    if len(fits) == 1:
                        raise
                    last = unfit
            raise Unfit(f"is {shown(value)}, which fits none of its {len(branches)} types") from last

        return fit

    def _record(self, schema: Mapping[str, Any]) -> Fit:
        fits = {field["name"]: self.of(field["type"]) for field in schema["fields"]}
        needed = [field["name"] for field in schema["fields"] if "default" not in field]

        def fit(value: Any) -> dict[str, Any]:
            made = {}
            for name, each in _document(value).items():
                of = fits.get(name)
                if of is None:
                    raise Unfit("is not in the schema, and would be lost").inside(f".{name}")
                try:
                    made[name] = of(each)
                except Unfit as unfit:
                    raise unfit.inside(f".{name}") from None
            if len(made) < len(fits):
                missing = next((name for name in needed if name not in made), None)
                if missing is not None:
                    raise Unfit("is missing, and has no default").inside(f".{missing}")
            return made

        return fit

    def _map(self, schema: Mapping[str, Any]) -> Fit:
        of = self.of(schema["values"])

        def fit(value: Any) -> dict[str, Any]:
            made = {}
            for name, each in _document(value).items():
                try:
                    made[name] = of(each)
                except Unfit as unfit:
                    raise unfit.inside(f".{name}") from None
            return made

        return fit

    def _array(self, schema: Mapping[str, Any]) -> Fit:
        of = self.of(schema["items"])

        def fit(value: Any) -> list[Any]:
            if type(value) is not list:
                raise no("an array", value)
            made: list[Any] = []
            for each in value:
                try:
                    made.append(of(each))
                except Unfit as unfit:
                    raise unfit.inside(f"[{len(made)}]") from None
            return made

        return fit


def _branch_name(schema: Any) -> str:
    """Returns the name that fastavro knows a branch of a union by."""
    if isinstance(schema, str):
        return schema
    name: str = schema.get("name", schema["type"])
    return name


def _document(value: Any) -> dict[str, Any]:
    if type(value) is dict:
        return value
    if type(value) is DBRef:
        return dict(value.as_doc())
    raise no("a record or a map", value)
