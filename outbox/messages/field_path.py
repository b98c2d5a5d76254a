"""Where a walk through a message class stands, for schemas and for errors that name the field."""

from __future__ import annotations

from dataclasses import dataclass, replace

from outbox.errors import InvalidMessageClass
from outbox.messages.dialects import Dialect


@dataclass(frozen=True)
class FieldPath:
    """A field's path (`OrderPlaced.lines[].sku`), the vocabulary its schema is written in, the classes around it."""

    dialect: Dialect
    path: str
    within: tuple[type, ...] = ()

    def at(self, step: str) -> FieldPath:
        """One step further in."""
        return replace(self, path=self.path + step)

    def refuse(self, reason: str) -> InvalidMessageClass:
        """The error to raise, naming this place."""
        return InvalidMessageClass(f"{self.path}: {reason}")
