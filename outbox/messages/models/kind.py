"""Makes messages of pydantic's models."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import bson
from pydantic import BaseModel, RootModel, TypeAdapter, ValidationError

from outbox.errors import InvalidMessage, InvalidMessageClass
from outbox.messages.compaction import key_text
from outbox.messages.dialects import BSON, JSON, FieldPath, Schema
from outbox.messages.kinds import Kind
from outbox.messages.models.containers import Choice
from outbox.messages.models.exact import keep_exact
from outbox.messages.models.forms import Form, Unfit
from outbox.messages.models.model import Fields
from outbox.messages.models.model_fields import fields_of
from outbox.messages.models.numbers import Whole
from outbox.messages.models.scalars import Id, Nothing, Text, Universal
from outbox.messages.models.union import Union
from outbox.messages.not_json import check_json
from outbox.mongo.codec import DECODED


class ModelKind:
    """Is outbox.messages.kinds.Kind for BaseModel."""

    def __init__(self) -> None:
        self._forms: dict[type[Any], Fields] = {}
        self._exact: set[type[Any]] = set()

    def owns(self, cls: type) -> bool:
        return issubclass(cls, BaseModel)

    def check(self, cls: Any) -> None:
        self._form(cls)

    def keep_exact(self, cls: Any) -> None:
        if cls not in self._exact:
            keep_exact(self._form(cls))
            self._exact.add(cls)

    def stored_name(self, cls: Any, attribute: str, what: str) -> str:
        form = self._form(cls)
        for name, field in form.stored.items():
            if field.name == attribute:
                if not _can_be_key(field.form):
                    raise InvalidMessageClass(f"{cls.__name__}.{attribute}: a {what} is a text, int, ObjectId or UUID")
                return name
        hint = " that is stored" if attribute in form.excluded else ""
        if attribute in form.stored:
            hint = f" (it is the alias of {form.stored[attribute].name!r})"
        raise InvalidMessageClass(f"{cls.__name__} has no field {attribute!r}{hint} to be its {what}")

    def bson_schema(self, cls: Any) -> Schema:
        form = self._form(cls)
        try:
            return bson.decode(bson.encode(form.schema(BSON), codec_options=DECODED), DECODED)
        except (bson.errors.BSONError, OverflowError, ValueError, ArithmeticError) as error:
            raise InvalidMessageClass(f"{cls.__name__}: BSON refuses a part of its declaration ({error})") from error

    def json_schema(self, cls: Any) -> Schema:
        head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": cls.__name__}
        return {**head, **self._form(cls).schema(JSON)}

    def encode(self, message: Any, type: str, *, strict: bool) -> tuple[Mapping[str, Any], bytes]:
        form = self._form(message.__class__)
        return form.written(message) or self._encode(form, message, type)

    def _encode(self, form: Fields, message: Any, type: str) -> tuple[Mapping[str, Any], bytes]:
        """Checks and encodes a message in Python, and says what is wrong with it."""
        try:
            data = form.encode(message)
            encoded = bson.encode(data, codec_options=DECODED)
        except Unfit as error:
            raise InvalidMessage(f"{type}: {error}") from None
        except (bson.errors.BSONError, OverflowError, ValueError, TypeError, RecursionError) as error:
            raise InvalidMessage(f"{type}: {error.__class__.__name__}: {error}") from error
        check_json(type, data)
        return data, encoded

    def decode(self, cls: Any, data: dict[str, Any]) -> Any:
        return self._form(cls).decode(data)

    def key_text(self, cls: Any, attribute: str, value: object) -> str:
        form = self._form(cls)
        field = next(field for field in form.stored.values() if field.name == attribute)
        try:
            return key_text(field.form.encode(value))
        except Unfit:
            if field.info is None or isinstance(value, bool):
                raise
        try:
            of_type: Any = field.info.annotation
            adapter = TypeAdapter(of_type, config={"arbitrary_types_allowed": True})
            converted = adapter.validate_python(value)
        except ValidationError as error:
            raise ValueError(error.errors()[0]["msg"]) from error
        return key_text(field.form.encode(converted))

    def _form(self, cls: type[Any]) -> Fields:
        form = self._forms.get(cls)
        if form is None:
            if issubclass(cls, RootModel) or cls is BaseModel:
                raise InvalidMessageClass(
                    f"{cls.__name__} has no named fields, and a message's data is a document: use a class derived from "
                    "BaseModel"
                )
            form = self._forms[cls] = fields_of(cls, FieldPath(BSON, cls.__name__))
        return form


def _can_be_key(form: Form) -> bool:
    if isinstance(form, Union):
        members = [member for member in form.members if not isinstance(member, Nothing)]
        return len(members) == 1 and _can_be_key(members[0])
    if isinstance(form, Choice):
        return form.types - {"null"} in ({"string"}, {"int"})
    return isinstance(form, (Text, Whole, Id, Universal))


KIND: Kind = ModelKind()
