"""Keeps the place in a message class while its schema is made, so that errors can name the field."""

from __future__ import annotations

from dataclasses import dataclass, replace

from outbox.errors import InvalidMessageClass
from outbox.messages.dialects import Dialect


@dataclass(frozen=True)
class FieldPath:
    """Holds a field's path (`OrderPlaced.lines[].sku`), the dialect of its schema, and the classes around it."""

    dialect: Dialect
    path: str
    within: tuple[type, ...] = ()

    def child(self, step: str) -> FieldPath:
        """Returns the path one step further in."""
        return replace(self, path=self.path + step)

    def error(self, reason: str) -> InvalidMessageClass:
        """Returns the error to raise, which names this path."""
        return InvalidMessageClass(f"{self.path}: {reason}")
