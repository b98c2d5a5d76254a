"""Listens to the commands that a client sends, as the driver reports them."""

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
        """Ignores it."""

    def failed(self, event: CommandFailedEvent) -> None:
        """Ignores it."""


@contextlib.contextmanager
def watched(uri: str, database: Database[Document], **options: Any) -> Iterator[tuple[Database[Document], Commands]]:
    """Gives the same database through a client of its own, and the commands that this client sends."""
    commands = Commands()
    with MongoClient(uri, event_listeners=[commands], **options) as client:
        yield client[database.name], commands
