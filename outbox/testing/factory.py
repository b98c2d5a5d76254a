"""What the pytest fixture `outbox_factory` is, for annotations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from outbox.outbox import Outbox


class OutboxFactory(Protocol):
    """Makes an Outbox in the test's own database, and creates it; takes what Outbox takes after the database."""

    def __call__(self, name: str = "outbox", *, messages: Sequence[type[Any]] = (), **options: Any) -> Outbox: ...
