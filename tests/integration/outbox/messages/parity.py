"""One field of a message class, of whichever kind, as the client sees it and as a staging-like collection does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bson import ObjectId, Timestamp
from bson.raw_bson import RawBSONDocument
from mongoengine import EmbeddedDocument
from pydantic import ConfigDict, ValidationError, create_model

from outbox import InvalidMessage, message
from outbox.messages.message_types import MessageTypes
from tests.integration.outbox.messages.field_cases import CASES, NOON
from tests.integration.outbox.messages.model_cases import MODEL_CASES

DOCUMENT_VALIDATION_FAILURE = 121
REFUSED = (InvalidMessage, ValidationError)
"""What the client raises: the outbox by `put`, or pydantic before that."""


@dataclass(frozen=True)
class Declared:
    """A message class with the one field `f`."""

    cls: Any
    build: Callable[[Any], Any]
    """Makes a message of a value; may raise pydantic's ValidationError."""


def document_of(field: Any) -> Declared:
    """Declares an EmbeddedDocument."""
    cls = message("parity")(type(EmbeddedDocument)("Parity", (EmbeddedDocument,), {"f": field}))

    def build(value: Any) -> Any:
        instance = cls()
        instance.f = value
        return instance

    return Declared(cls, build)


def model_of(annotation: Any, default: Any = ..., **config: Any) -> Declared:
    """Declares a BaseModel."""
    settings = ConfigDict(arbitrary_types_allowed=True, **config)
    made: Any = create_model("Parity", __config__=settings, f=(annotation, default))
    cls = message("parity")(made)
    return Declared(cls, lambda value: cls(f=value))


@dataclass(frozen=True)
class Pair:
    """A declared class, and a collection with the validator that staging would have."""

    declared: Declared
    types: MessageTypes
    staging: Any

    def data(self, value: Any) -> RawBSONDocument:
        """Through the client. Raises one of REFUSED."""
        return RawBSONDocument(self.types.encode(self.declared.build(value))[2])

    def insert(self, data: Any) -> None:
        """Past the client. Raises WriteError."""
        envelope = {"_id": ObjectId(), "at": Timestamp(0, 0), "created": NOON, "type": "parity"}
        self.staging.insert_one({**envelope, "key": None, "headers": {}, "data": data})

    def last(self) -> Any:
        """The message that was inserted last, as a reader gets it."""
        return self.types.decode("parity", self.staging.find_one(sort=[("at", -1)])["data"])


@dataclass(frozen=True)
class Tried:
    """A case of either kind."""

    name: str
    declare: Callable[[], Declared]
    case: Any

    def values(self, of: str) -> list[tuple[Any, Any]]:
        """Pairs of values: as the client has it, as BSON holds it."""
        return [as_pair(value) for value in getattr(self.case, of, ())]


def as_pair(value: Any) -> tuple[Any, Any]:
    return value if isinstance(value, tuple) and len(value) == 2 and not isinstance(value[0], int) else (value, value)


def _tried(name: str, index: int, case: Any, declare: Callable[[], Declared]) -> Tried:
    return Tried(f"{name}-{index}", declare, case)


ALL = [
    *(
        _tried(cls.__name__, index, case, lambda case=case: document_of(case.make()))  # type: ignore[misc]  # binds it
        for cls, cases in CASES.items()
        for index, case in enumerate(cases)
    ),
    *(
        _tried(name, index, case, lambda case=case: model_of(case.annotation))  # type: ignore[misc]  # as above
        for name, cases in MODEL_CASES.items()
        for index, case in enumerate(cases)
    ),
]
