"""Who calls, and what of the outbox there is for them: a scope hides what is outside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from outbox.errors import UndecodableRecord
from outbox.gateway.answers import Refusal
from outbox.log.record import Record

Right = Literal["read", "post", "admin"]


@dataclass(frozen=True)
class Scope:
    """What a caller may do, and see. None stands for all."""

    rights: frozenset[str] = frozenset({"read", "post", "admin"})
    types: frozenset[str] | None = None
    components: frozenset[str] | None = None
    key_prefix: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    """Those that a message must have."""

    @property
    def hides(self) -> bool:
        """Tells whether there are records that it does not show."""
        return self.types is not None or self.key_prefix is not None or bool(self.headers)

    def sees(self, record: Record[Any]) -> bool:
        """Tells whether a record is inside."""
        if not self.hides:
            return True
        if self.headers:
            try:
                headers: Mapping[str, str] | None = record.headers
            except UndecodableRecord:
                return False
        else:
            headers = None
        return self.has(record.type, record.key, headers)

    def has(self, type: str, key: str | None, headers: Mapping[str, str] | None) -> bool:
        """Tells whether a message of this type, key and headers is inside. headers: None when none are asked for."""
        if self.types is not None and type not in self.types:
            return False
        if self.key_prefix is not None and not (key is not None and key.startswith(self.key_prefix)):
            return False
        return not self.headers or (
            isinstance(headers, Mapping) and all(headers.get(name) == value for name, value in self.headers.items())
        )


@dataclass(frozen=True)
class Caller:
    """Who calls: a token, or anybody where there are no tokens."""

    name: str
    scope: Scope

    def check(self, right: Right) -> None:
        """Raises Refusal for what the caller may not do."""
        if right not in self.scope.rights:
            raise Refusal(403, "forbidden", f"this token has not the scope {right!r}")

    def check_component(self, component: str) -> None:
        """Raises Refusal for a component that is not the caller's, whether there is one or not."""
        if self.scope.components is not None and component not in self.scope.components:
            raise Refusal(403, "forbidden", f"this token is not for the component {component!r}")


ANYBODY = Caller("anonymous", Scope())
"""Who calls where there are no tokens."""
