"""Finds the names of pydantic that this package uses and that pydantic does not document, all of them here.

Seen in pydantic 2.7 to 2.14.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any, get_type_hints

import pydantic
from pydantic import BaseModel

from outbox.mongo.pymongo_internals import first_existing

_OLDEST = (2, 7)
_VERSION = tuple(int(part) for part in pydantic.VERSION.split(".")[:2])

if _VERSION < _OLDEST:
    raise ImportError(
        f"pydantic {pydantic.VERSION} is too old for message classes: install 'mongo-outbox[pydantic]', which takes "
        "2.7 and later"
    )

_OF_MODELS = (
    *("__pydantic_complete__", "__pydantic_decorators__", "__pydantic_extra__", "__pydantic_fields_set__"),
    *("__pydantic_post_init__", "__pydantic_private__"),
)


class _Probe(BaseModel):
    pass


for _name in _OF_MODELS:
    if not hasattr(_Probe, _name):
        first_existing(f"pydantic:BaseModel.{_name}")  # raises


def is_complete(cls: type[BaseModel]) -> bool:
    """Tells whether all that a model names is defined; tries once more to find it."""
    if not cls.__pydantic_complete__:
        cls.model_rebuild(raise_errors=False)
    return cls.__pydantic_complete__


def serializers(cls: type[BaseModel]) -> Iterator[tuple[str, str]]:
    """Yields the name of each `@field_serializer` and `@model_serializer` that is not for JSON alone, and its field."""
    decorators = cls.__pydantic_decorators__
    for name, one in decorators.field_serializers.items():
        if one.info.when_used not in ("json", "json-unless-none"):
            yield name, one.info.fields[0]
    for name, whole in decorators.model_serializers.items():
        if whole.info.when_used not in ("json", "json-unless-none"):
            yield name, ""


def extra_type(cls: type[BaseModel]) -> Any:
    """Returns what `__pydantic_extra__: dict[str, int]` says of undeclared fields; None if nothing does."""
    for base in cls.__mro__[: cls.__mro__.index(BaseModel)]:
        declared = inspect.get_annotations(base).get("__pydantic_extra__")
        if declared is not None:
            return get_type_hints(base, include_extras=True)["__pydantic_extra__"]
    return None


def built(cls: type[BaseModel], values: dict[str, Any], given: set[str], extra: dict[str, Any] | None) -> BaseModel:
    """Makes an instance of these values without a validator, as `model_construct` does, but by the fields' own names.

    `model_construct` goes by aliases first, and so takes the value of `b` for a field `a` with the alias `b`.
    """
    model = cls.__new__(cls)
    object.__setattr__(model, "__dict__", values)
    object.__setattr__(model, "__pydantic_fields_set__", given)
    object.__setattr__(model, "__pydantic_extra__", extra)
    object.__setattr__(model, "__pydantic_private__", None)
    if cls.__pydantic_post_init__:  # makes the private attributes as well
        model.model_post_init(None)
    return model
