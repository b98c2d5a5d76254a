"""The form of a union: each value is stored by the form of its own type, and a reader can tell them apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from outbox.messages.choices import identity
from outbox.messages.dialects import Dialect, Schema
from outbox.messages.models.containers import Anything, Choice, Items, Row, Table
from outbox.messages.models.forms import Form, Unfit, short
from outbox.messages.models.model import Fields
from outbox.messages.models.numbers import Double, Exact, Truth, Whole
from outbox.messages.models.scalars import Day, Id, Moment, Nothing, Raw, Text, TimeOfDay, Universal
from outbox.messages.writing.layout import ValueLayout

_NUMBERS = frozenset({"int", "number", "decimal"})
_NAMES: dict[type[Form], str] = {
    Text: "str", Whole: "int", Double: "float", Exact: "Decimal", Truth: "bool", Raw: "bytes", Universal: "UUID",
    Moment: "datetime", Day: "date", TimeOfDay: "time", Choice: "the Enum or Literal", Row: "tuple", Table: "dict",
    Anything: "Any", Nothing: "None",
}  # fmt: skip


@dataclass(frozen=True)
class Union(Form):
    """Stores a value of one of several types."""

    members: tuple[Form, ...]
    """Those that take a whole number for a float or a Decimal come last: it may be an int's."""

    @classmethod
    def of(cls, members: list[Form], *, by_user: bool = False) -> Union:
        """Raises Unfit for two members of which a reader could not tell which one a value was stored by."""
        flat = [each for member in members for each in (member.members if isinstance(member, Union) else (member,))]
        for index, one in enumerate(flat):
            for other in flat[:index]:
                if not told_apart(other, one):
                    raise Unfit(
                        f"{_name(other)} and {_name(one)} are stored alike, so a reader could not tell them apart"
                    )
        return cls(tuple(sorted(flat, key=lambda form: isinstance(form, (Double, Exact)))), by_user=by_user)

    def schema(self, dialect: Dialect) -> Schema:
        schemas = [member.schema(dialect) for member in self.members if not isinstance(member, Nothing)]
        unique = [schema for index, schema in enumerate(schemas) if schema not in schemas[:index]]
        if {} in unique:
            return {}
        schema = unique[0] if len(unique) == 1 else {"anyOf": unique}
        return schema if len(schemas) == len(self.members) else dialect.nullable(schema)

    def encode(self, value: Any) -> Any:
        return self.member(value)[1]

    @property
    def layout(self) -> ValueLayout:
        members = [member for member in self.members if not isinstance(member, Nothing)]
        return members[0].layout if len(members) == 1 else super().layout  # of None the field's own layout says

    def member(self, value: Any) -> tuple[Form, Any]:
        """Returns the form that stores a value, and what is stored."""
        reasons = []
        for form in self.members:
            try:
                return form, form.encode(value)
            except Unfit as error:
                reasons.append(error)
        # An error with a path is from inside the one that it nearly fits.
        nearest = [error for error in reasons if error.path]
        if len(nearest) == 1:
            raise nearest[0]
        raise Unfit("; ".join(dict.fromkeys(str(error) for error in reasons)) or f"{short(value)} fits no type")

    def decode(self, stored: Any) -> Any:
        fitting: list[tuple[int, Any]] = []
        reasons = []
        for form in self.members:
            try:
                value = form.decode(stored)
            except Unfit as error:
                reasons.append(str(error))
            else:
                if form.is_plain:
                    return value
                fitting.append((form.known(stored), value))
        if not fitting:
            raise Unfit("; ".join(dict.fromkeys(reasons)))
        return max(fitting, key=lambda found: found[0])[1]

    @property
    def types(self) -> frozenset[str]:
        return frozenset().union(*(member.types for member in self.members))

    @property
    def is_plain(self) -> bool:
        return all(member.is_plain for member in self.members)

    def known(self, stored: Any) -> int:
        return max(member.known(stored) for member in self.members)


def told_apart(one: Form, other: Form) -> bool:
    """Tells whether a reader always gets back what was stored by either of the two."""
    if one.is_plain and other.is_plain:
        return True
    if not _kinds(one) & _kinds(other) and "any" not in one.types | other.types:
        return True
    match one, other:
        case Choice(), Choice():
            return not one.decoded.keys() & other.decoded.keys()
        case Items(), Items():
            return one.cls is other.cls and told_apart(one.item, other.item)
        case Table(), Table():
            return one.key.is_plain and other.key.is_plain and told_apart(one.value, other.value)
        case Fields(), Fields():
            return _documents_told_apart(one, other)
        case (Union() as union, form) | (form, Union() as union):
            return all(told_apart(member, form) for member in union.members)
    return False


def _kinds(form: Form) -> frozenset[str]:
    """Returns what a form stores; a choice of 1 is one of 1.0 as well."""
    return form.types | _NUMBERS if isinstance(form, Choice) and form.types & _NUMBERS else form.types


def _documents_told_apart(one: Fields, other: Fields) -> bool:
    """Tells them apart by a Literal with other values, or by a required field that the other one does not know."""
    for name in one.stored.keys() & other.stored.keys():
        ours, theirs = one.stored[name].form, other.stored[name].form
        if isinstance(ours, Choice) and isinstance(theirs, Choice):
            values = [{identity(value) for value in form.stored.values()} for form in (ours, theirs)]
            if not values[0] & values[1]:
                return True
    if one.extra is not None or other.extra is not None:
        return False
    return any(
        field.is_required and name not in theirs.stored
        for ours, theirs in ((one, other), (other, one))
        for name, field in ours.stored.items()
    )


def _name(form: Form) -> str:
    if isinstance(form, (Fields, Items, Id)):
        return form.cls.__name__
    return _NAMES.get(type(form), "one of its types")
