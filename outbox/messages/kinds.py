"""Says what a kind of message classes has to give, and finds the kind of a class; a kind is a library that has models.

A library is never imported for this: as long as nobody has imported it, there can be no class of it.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping
from typing import Any, Protocol

from outbox.errors import InvalidMessageClass
from outbox.messages.dialects import Schema

_MODULES = {"mongoengine": "outbox.messages.documents.kind", "pydantic": "outbox.messages.models.kind"}


class Kind(Protocol):
    """Makes messages of the classes of one library. Thread-safe."""

    def owns(self, cls: type) -> bool:
        """Tells whether it is a class of this library's that a message class can be derived from."""

    def check(self, cls: Any) -> None:
        """Raises InvalidMessageClass for what could not be stored or enforced; NotDefined, see there."""

    def keep_exact(self, cls: Any) -> None:
        """Makes the class refuse, at the latest in `encode`, a value that a conversion would change. Idempotent.

        Raises NotDefined.
        """

    def stored_name(self, cls: Any, attribute: str, what: str) -> str:
        """Returns an attribute's name in the data. Raises InvalidMessageClass if it cannot be `what`: a key."""

    def bson_schema(self, cls: Any) -> Schema:
        """Makes the `$jsonSchema` of the data, as the server would give it back. Raises as `check`."""

    def json_schema(self, cls: Any) -> Schema:
        """Makes the JSON Schema 2020-12 of the value on Kafka. Raises as `check`."""

    def encode(self, message: Any, type: str, *, strict: bool) -> tuple[Mapping[str, Any], bytes]:
        """Checks a message, and returns its data twice: the values that a key may be, by stored names; and encoded.

        Raises InvalidMessage, also for a value that JSON does not have.
        """

    def decode(self, cls: Any, data: dict[str, Any]) -> Any:
        """Makes a message of stored data, leaving out unknown fields. Raises ValueError, which says why."""

    def key_text(self, cls: Any, attribute: str, value: object) -> str:
        """Returns the text of a value as a message's key. Raises ValueError, which says why."""


class NotDefined(InvalidMessageClass):
    """A class names one that is not defined yet: when it is declared that may be, when an outbox is made it may not."""


def kind_of(cls: type) -> Kind | None:
    """Returns the kind of a class; None for a class of no library that is known here."""
    for library, module in _MODULES.items():
        if library in sys.modules:
            kind: Kind = importlib.import_module(module).KIND
            if kind.owns(cls):
                return kind
    return None


if "mongoengine" in sys.modules:
    # A release that lacks what is needed is an error here, and not only where the first message class is declared.
    importlib.import_module(_MODULES["mongoengine"])
