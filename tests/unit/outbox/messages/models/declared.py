"""Declares models for a test, and sends messages through both directions."""

from __future__ import annotations

from typing import Any

import bson
from pydantic import BaseModel, ConfigDict, create_model

from outbox import message
from outbox.messages.message_types import MessageTypes
from outbox.mongo.codec import DECODED


def model(annotation: Any, default: Any = ..., **config: Any) -> Any:
    """Declares a model with the one field `f`."""
    settings = ConfigDict(arbitrary_types_allowed=True, **config)
    field = type(None) if annotation is None else annotation  # pydantic before 2.10 takes None for no annotation
    made: Any = create_model("Declared", __config__=settings, f=(field, default))
    return message("declared")(made)


def stored(one: BaseModel) -> dict[str, Any]:
    """Returns what is stored of a message."""
    encoded = MessageTypes([type(one)]).encode(one)[2]
    assert encoded is not None
    return bson.decode(encoded, DECODED)


def read(cls: Any, data: dict[str, Any]) -> Any:
    """Returns the message that a reader makes of stored data."""
    types = MessageTypes([cls])
    return types.decode(types.names[0], data)


def again(one: BaseModel) -> Any:
    """Returns the message as a reader gets it."""
    return read(type(one), stored(one))
