"""What mypy and pyright see of versions of message types."""

from __future__ import annotations

from typing import Any, assert_type

from mongoengine import EmbeddedDocument

from outbox import message, message_type, upcast


@message("order.placed", version=2)
class OrderPlaced(EmbeddedDocument):
    pass


@upcast("order.placed", 1)
def newer(data: dict[str, Any]) -> dict[str, Any]:
    return data


assert_type(newer({}), dict[str, Any])
PLAIN = message_type("plain", schema={}, version=3)
