"""Reads the fields of a model: which are stored, by which names, and what its configuration makes of others."""

from __future__ import annotations

import typing
from dataclasses import replace
from typing import Any

from pydantic import BaseModel
from pydantic.fields import ComputedFieldInfo, FieldInfo

from outbox.messages.dialects import FieldPath
from outbox.messages.kinds import NotDefined
from outbox.messages.models.annotations import Place, form_of
from outbox.messages.models.containers import Anything, check_name
from outbox.messages.models.forms import Form, Unfit
from outbox.messages.models.model import Field, Fields
from outbox.messages.models.pydantic_internals import extra_type, is_complete, serializers


def fields_of(cls: type[BaseModel], path: FieldPath) -> Fields:
    """Returns the form of a model. Raises InvalidMessageClass and NotDefined."""
    if cls in path.within:
        raise path.error(
            f"{cls.__name__} contains itself, and MongoDB's $jsonSchema has no recursion: "
            "nest to a fixed depth with classes of their own, or store the part as dict[str, Any]"
        )
    if not is_complete(cls):
        raise NotDefined(f"{cls.__name__} names a class that is not defined: define it, then call model_rebuild()")
    inside = replace(path, within=(*path.within, cls))
    _check_serializers(cls, inside)
    config = cls.model_config
    is_rust = config.get("regex_engine", "rust-regex") == "rust-regex"
    place = Place(inside, fields_of, is_rust, bool(config.get("use_enum_values")))
    stored: dict[str, Field] = {}
    excluded = {}
    for name, info in cls.model_fields.items():
        here = place.inner(f".{name}")
        _check_exclusion(info, here.path)
        if info.exclude:
            excluded[name] = info
            continue
        form = form_of(info.annotation, info.metadata, here)
        _add(stored, Field(name, _named(info.serialization_alias, name), form, info, info.description), here.path)
    for name, computed in cls.model_computed_fields.items():
        here = place.inner(f".{name}")
        form = form_of(_return_type(computed, here.path), (), here)
        _add(stored, Field(name, _named(computed.alias, name), form, None, computed.description), here.path)
    return Fields(cls, stored, excluded, _extra(cls, place))


def _named(alias: str | None, name: str) -> str:
    return name if alias is None else alias


def _add(stored: dict[str, Field], field: Field, path: FieldPath) -> None:
    try:
        check_name(field.stored)
    except Unfit as error:
        raise path.error(f"it cannot be stored by that name: {error}") from None
    if not field.stored or "." in field.stored:
        raise path.error(f"it cannot be stored as {field.stored!r}: give it an alias without a dot")
    if field.stored in stored:
        raise path.error(f"it is stored as {field.stored!r}, and so is {stored[field.stored].name}: give it an alias")
    stored[field.stored] = field


def _check_serializers(cls: type[BaseModel], path: FieldPath) -> None:
    for name, of in serializers(cls):
        where = path.child(f".{of}") if of else path
        raise where.error(
            f"the serializer {name} would not be used, for a message is stored by its types: drop it, give it "
            "when_used='json', or use a computed_field"
        )


def _check_exclusion(info: FieldInfo, path: FieldPath) -> None:
    if info.exclude and info.is_required():
        raise path.error("it is excluded and has no default, so a reader could not make the message: give it a default")
    if getattr(info, "exclude_if", None) is not None:
        raise path.error("exclude_if says for each value whether it is stored: give the field a default instead")


def _return_type(computed: ComputedFieldInfo, path: FieldPath) -> Any:
    given = computed.return_type
    if isinstance(given, type) or typing.get_origin(given) is not None:
        return given
    wrapped = computed.wrapped_property
    function = getattr(wrapped, "fget", None) or getattr(wrapped, "func", None)
    try:
        hints = typing.get_type_hints(function, include_extras=True)
    except NameError as error:
        raise path.error(f"its return type is not defined where it can be found ({error})") from None
    if "return" not in hints:
        raise path.error("a computed field needs a return type: annotate its function")
    return hints["return"]


def _extra(cls: type[BaseModel], place: Place) -> Form | None:
    if cls.model_config.get("extra") != "allow":
        return None
    declared = extra_type(cls)
    if declared is None:
        return Anything()
    _, value = typing.get_args(declared) or (str, Any)
    return form_of(value, (), place.inner(".*"))
