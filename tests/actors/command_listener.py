"""What a client asks of the server, as the driver itself reports it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from pymongo import MongoClient
from pymongo.database import Database
from pymongo.monitoring import CommandFailedEvent, CommandListener, CommandStartedEvent, CommandSucceededEvent

Document = dict[str, Any]


class Commands(CommandListener):
    """Keeps every command that was started. Thread-safe."""

    def __init__(self) -> None:
        self.started_events: list[CommandStartedEvent] = []

    def names(self) -> list[str]:
        return [event.command_name for event in self.started_events]

    def of(self, name: str) -> list[dict[str, Any]]:
        return [dict(event.command) for event in self.started_events if event.command_name == name]

    def clear(self) -> None:
        self.started_events.clear()

    def started(self, event: CommandStartedEvent) -> None:
        self.started_events.append(event)

    def succeeded(self, event: CommandSucceededEvent) -> None:
        """Not of interest."""

    def failed(self, event: CommandFailedEvent) -> None:
        """Not of interest."""


@contextlib.contextmanager
def watched(uri: str, database: Database[Document], **options: Any) -> Iterator[tuple[Database[Document], Commands]]:
    """The same database through a client of its own, whose commands are watched."""
    commands = Commands()
    with MongoClient(uri, event_listeners=[commands], **options) as client:
        yield client[database.name], commands
