"""Compiles a message class into one pass that checks a message and makes its data: mongoengine needs three and more.

Only what mongoengine itself would do is compiled: a class with a `validate`, `clean` or `to_mongo` of its own, or with
such a field, is left to mongoengine, and so is a message that holds a value which is not stored just as it is.

Where the writer in C is built, it goes first, and writes the bytes in the same pass; what it leaves, the plan does.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import bson
from mongoengine import EmbeddedDocument  # type: ignore[import-untyped]  # mongoengine ships no types

from outbox.messages.documents.conversions import Conversion, Convert, NotCompiled, Unsure, conversion
from outbox.messages.documents.layout import class_layout, field_layout
from outbox.messages.writing.layout import DocumentLayout, write
from outbox.mongo.codec import DECODED

_CLASS = "_cls"
_WAYS = ("validate", "clean", "to_mongo", "__iter__", "__getattribute__")


class _Step(NamedTuple):
    """One field of a class."""

    name: str
    stored: str
    plain: type | None
    convert: Convert
    is_required: bool
    is_null_stored: bool


class _Compiled(NamedTuple):
    """What a class was compiled into."""

    plan: Convert
    layout: DocumentLayout
    """For the writer in C."""
    renamed: dict[str, str]
    """The attributes by their stored names, where those differ."""

    def values(self, document: Any) -> Mapping[str, Any]:
        """Returns the values of a message that the writer took, by their stored names: they are stored as they are."""
        values: Mapping[str, Any] = document._data
        return {name: values.get(attribute) for name, attribute in self.renamed.items()} if self.renamed else values


def is_native() -> bool:
    """Tells whether the writer in C was built."""
    return write is not None


class Plans:
    """Holds what each class was compiled into. Thread-safe."""

    def __init__(self) -> None:
        self._compiled: dict[type[Any], _Compiled | None] = {}

    def encoded(self, document: Any) -> tuple[Mapping[str, Any], bytes]:
        """Checks a message and returns its data twice: values that a key may be, by their stored names; and as BSON.

        Raises as `data_of`, and what the driver raises.
        """
        compiled = self._of(type(document))
        written = None if write is None else write(compiled.layout, document._data)
        return as_bson(compiled.plan(document)) if written is None else (compiled.values(document), written)

    def data_of(self, document: Any) -> dict[str, Any]:
        """Checks a document and makes its data, as mongoengine's `validate` and `to_mongo` do.

        All values in it are ones that a conversion has not changed, and that JSON has. Raises Unsure where only
        mongoengine can say what it is, and what the library's own code may raise for values that it does not expect.
        """
        data: dict[str, Any] = self._of(type(document)).plan(document)
        return data

    def _of(self, cls: type[Any]) -> _Compiled:
        compiled = self._compiled[cls] if cls in self._compiled else self._compile(cls)
        if compiled is None:
            raise Unsure
        return compiled

    def _compile(self, cls: Any) -> _Compiled | None:
        try:
            plan = self._plan(cls)
        except NotCompiled:
            compiled = None
        else:
            names = {cls._fields[name].db_field: name for name in cls._fields_ordered}
            renamed = names if any(name != attribute for name, attribute in names.items()) else {}
            layout = tuple(each for each in self._layout(cls) if each[0] != _CLASS)
            compiled = _Compiled(plan, layout, renamed)
        self._compiled[cls] = compiled
        return compiled

    def _layout(self, cls: Any) -> DocumentLayout:
        """Lays out a class that has a plan."""
        own = tuple(
            field_layout(name, cls._fields[name], self._inside, self._layout)
            for name in cls._fields_ordered
            if name != _CLASS
        )
        return (class_layout(_CLASS, cls._class_name), *own) if _head(cls) else own

    def _inside(self, declared: type[Any]) -> Convert:
        """Compiles a field that holds a document of this class, or of one derived from it. Raises NotCompiled."""
        own = self._plan(declared)

        def convert(value: Any) -> Any:
            if type(value) is declared:
                return own(value)
            if not isinstance(value, declared):
                raise Unsure
            return self.data_of(value)

        return convert

    def _plan(self, cls: type[Any]) -> Convert:
        if any(getattr(cls, way) is not getattr(EmbeddedDocument, way) for way in _WAYS):
            raise NotCompiled
        head = _head(cls)
        steps = tuple(self._step(name, cls._fields[name]) for name in cls._fields_ordered)
        if any(step.stored == "_id" or (step.stored == _CLASS and not head) for step in steps):
            raise NotCompiled  # these two have places of their own

        def plan(document: Any) -> dict[str, Any]:
            data, given = head.copy(), document._data.get
            for name, stored, plain, convert, is_required, is_null_stored in steps:
                value = given(name)
                if value is None:
                    if is_required:
                        raise Unsure
                    if is_null_stored:
                        data[stored] = None
                elif type(value) is plain:
                    data[stored] = value
                else:
                    data[stored] = convert(value)
            return data

        return plan

    def _step(self, name: str, field: Any) -> _Step:
        of: Conversion = conversion(field, self._inside)
        return _Step(name, field.db_field, of.plain, of.convert, field.required, field.null)


def as_bson(data: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    """Returns a message's data, also as BSON, without its class: the type says that, also after a class is renamed."""
    data.pop(_CLASS, None)
    return data, bson.encode(data, codec_options=DECODED)


def _head(cls: Any) -> dict[str, Any]:
    """Returns what mongoengine puts before the first field."""
    return {_CLASS: cls._class_name} if cls._meta.get("allow_inheritance") else {}
