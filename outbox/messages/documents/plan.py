"""Compiles a message class into one pass that checks a message and makes its data: mongoengine needs three and more.

Only what mongoengine itself would do is compiled: a class with a `validate`, `clean` or `to_mongo` of its own, or with
such a field, is left to mongoengine, and so is a message that holds a value which is not stored just as it is.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from mongoengine import EmbeddedDocument  # type: ignore[import-untyped]  # mongoengine ships no types

from outbox.messages.documents.conversions import Conversion, Convert, NotCompiled, Unsure, conversion

_WAYS = ("validate", "clean", "to_mongo", "__iter__", "__getattribute__")


class _Step(NamedTuple):
    """One field of a class."""

    name: str
    stored: str
    plain: type | None
    convert: Convert
    is_required: bool
    is_null_stored: bool


class Plans:
    """Holds what each class was compiled into. Thread-safe."""

    def __init__(self) -> None:
        self._plans: dict[type[Any], Convert | None] = {}

    def data_of(self, document: Any) -> dict[str, Any]:
        """Checks a document and makes its data, as mongoengine's `validate` and `to_mongo` do.

        All values in it are ones that a conversion has not changed, and that JSON has. Raises Unsure where only
        mongoengine can say what it is, and what the library's own code may raise for values that it does not expect.
        """
        cls = type(document)
        plan = self._plans[cls] if cls in self._plans else self._compiled(cls)
        if plan is None:
            raise Unsure
        data: dict[str, Any] = plan(document)
        return data

    def _compiled(self, cls: type[Any]) -> Convert | None:
        try:
            plan: Convert | None = self._plan(cls)
        except NotCompiled:
            plan = None
        self._plans[cls] = plan
        return plan

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
        head = {"_cls": cls._class_name} if cls._meta.get("allow_inheritance") else {}
        steps = tuple(self._step(name, cls._fields[name]) for name in cls._fields_ordered)
        if any(step.stored == "_id" or (step.stored == "_cls" and not head) for step in steps):
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
