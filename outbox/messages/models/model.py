"""The form of a model: a document, whose fields have their own forms and their stored names."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from bson.errors import BSONError
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from outbox.messages.dialects import Dialect, Schema, closed
from outbox.messages.models.containers import NO_OPERATORS, check_name
from outbox.messages.models.forms import Form, Inside, Unfit, inside, short
from outbox.messages.models.pydantic_internals import built
from outbox.messages.writing.layout import DOCUMENT, LEFT, NULL, DocumentLayout, FieldLayout, ValueLayout, write


@dataclass(frozen=True)
class Field:
    """Holds one field of a model, or a computed one."""

    name: str
    stored: str
    form: Form
    info: FieldInfo | None
    """None of a computed field: it is stored, and computed anew when it is read."""
    description: str | None = None

    @property
    def is_required(self) -> bool:
        return self.info is not None and self.info.is_required()

    def schema(self, dialect: Dialect) -> Schema:
        """Makes the schema of its value."""
        schema = self.form.schema(dialect)
        return {**schema, "description": self.description} if dialect.people and self.description else schema

    @property
    def layout(self) -> FieldLayout:
        """Lays it out for the writer in C. An attribute that is missing is never None."""
        return self.name, self.stored.encode(), LEFT, NULL if _takes_none(self.form) else LEFT, self.form.layout


@dataclass(frozen=True)
class Fields(Form):
    """Stores a model as a document."""

    cls: type[BaseModel]
    stored: Mapping[str, Field]
    """The fields by their stored names."""
    excluded: Mapping[str, FieldInfo]
    """The fields that are not stored, by their own names: they are read back as their defaults."""
    extra: Form | None
    """The form of fields that are not declared; None when there are none."""

    def schema(self, dialect: Dialect) -> Schema:
        properties = {name: field.schema(dialect) for name, field in self.stored.items()}
        schema = closed(dialect, properties, [name for name, field in self.stored.items() if field.is_required])
        if self.extra is None:
            return schema
        others = self.extra.schema(dialect)
        schema |= {"patternProperties": NO_OPERATORS, "additionalProperties": others}
        if others == {}:
            del schema["additionalProperties"]
        return schema

    @property
    def converted(self) -> list[tuple[FieldInfo, Form]]:
        """The fields whose values pydantic converts, and their forms."""
        return [(field.info, field.form) for field in self.stored.values() if field.info is not None]

    @cached_property
    def _steps(self) -> tuple[tuple[str, str, bool, Callable[[Any], Any]], ...]:
        """What `encode` goes through for each message, looked up once."""
        return tuple((name, of.name, of.info is None, of.form.encode) for name, of in self.stored.items())

    def encode(self, value: Any) -> Any:
        if type(value) is not self.cls:
            raise Unfit(f"{short(value)} is a {type(value).__name__}, not a {self.cls.__name__}{self._advice(value)}")
        data = {}
        own = value.__dict__
        at = ""
        try:
            for name, at, is_computed, encode in self._steps:
                if is_computed:
                    data[name] = encode(getattr(value, at))
                elif at in own:
                    data[name] = encode(own[at])
                else:
                    raise Unfit("has no value")
        except Unfit as error:
            raise inside(at, error) from None
        for name, item in (value.model_extra or {}).items():
            with Inside(name):
                if self.extra is None or name in data:
                    raise Unfit("is no field of the class")
                check_name(name)
                data[name] = self.extra.encode(item)
        return data

    @property
    def layout(self) -> ValueLayout:
        return super().layout if self._fields is None else (DOCUMENT, self.cls, "__dict__", self._fields)

    @cached_property
    def _fields(self) -> DocumentLayout | None:
        """None of a model that has more than its attributes: computed fields, or such as are not declared."""
        if self.extra is not None or any(field.info is None for field in self.stored.values()):
            return None
        return tuple(field.layout for field in self.stored.values())

    def written(self, value: Any) -> tuple[Mapping[str, Any], bytes] | None:
        """Checks a model and makes its data in one pass: the values that a key may be, by their stored names; and BSON.

        None where the writer in C is not there or leaves it: then `encode` does it, or says what is wrong.
        """
        if write is None or self._fields is None or type(value) is not self.cls:
            return None
        try:
            data = write(self._fields, value.__dict__)
        except (ValueError, TypeError, ArithmeticError, RecursionError, BSONError):  # Unfit, and what the driver raises
            return None
        return None if data is None else (_Values(self.stored, value.__dict__), data)

    def _advice(self, value: Any) -> str:
        if not isinstance(value, self.cls):
            return ""
        return f", so its own fields would be lost: declare {self.cls.__name__} | {type(value).__name__}"

    def decode(self, stored: Any) -> Any:
        if not isinstance(stored, dict):
            raise Unfit(f"{short(stored)} is no document")
        values: dict[str, Any] = {}
        given = set()
        for name, field in self.stored.items():
            if field.info is None:
                continue
            with Inside(field.name):
                if name in stored:
                    values[field.name] = field.form.decode(stored[name])
                    given.add(field.name)
                elif field.info.is_required():
                    raise Unfit("is missing")
                else:
                    values[field.name] = _default(field.info, values)
        for name, info in self.excluded.items():
            values[name] = _default(info, values)
        extra = None if self.extra is None else self._extra(stored)
        return built(self.cls, values, given | set(extra or ()), extra)

    def _extra(self, stored: dict[str, Any]) -> dict[str, Any]:
        extra = {}
        for name, item in stored.items():
            if name not in self.stored and self.extra is not None:
                with Inside(name):
                    extra[name] = self.extra.decode(item)
        return extra

    @property
    def types(self) -> frozenset[str]:
        return frozenset({"object"})

    def known(self, stored: Any) -> int:
        return len(self.stored.keys() & stored.keys()) if isinstance(stored, dict) else 0


class _Values(Mapping[str, Any]):
    """The values of a model as they are stored, by their stored names, each made when it is asked for."""

    def __init__(self, fields: Mapping[str, Field], own: Mapping[str, Any]) -> None:
        self._fields = fields
        self._own = own

    def __getitem__(self, name: str) -> Any:
        field = self._fields[name]
        return field.form.encode(self._own[field.name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)


def _takes_none(form: Form) -> bool:
    try:
        form.encode(None)
    except Unfit:
        return False
    return True


@dataclass(frozen=True)
class Root(Form):
    """Stores a RootModel as what is in it."""

    cls: type[BaseModel]
    form: Form

    @property
    def converted(self) -> list[tuple[FieldInfo, Form]]:
        """The one field, as Fields has them."""
        return [(self.cls.model_fields["root"], self.form)]

    def schema(self, dialect: Dialect) -> Schema:
        return self.form.schema(dialect)

    def encode(self, value: Any) -> Any:
        if type(value) is not self.cls:
            raise Unfit(f"{short(value)} is a {type(value).__name__}, not a {self.cls.__name__}")
        return self.form.encode(value.root)  # type: ignore[attr-defined]  # a RootModel has it

    def decode(self, stored: Any) -> Any:
        return built(self.cls, {"root": self.form.decode(stored)}, {"root"}, None)

    @property
    def types(self) -> frozenset[str]:
        return self.form.types


def _default(info: FieldInfo, values: dict[str, Any]) -> Any:
    """Makes a field's default anew."""
    if getattr(info, "default_factory_takes_validated_data", False):
        return info.get_default(call_default_factory=True, validated_data=values)
    return info.get_default(call_default_factory=True)
