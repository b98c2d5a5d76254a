"""Message classes, and both schemas that are made from one declaration."""

from outbox.messages.declaration import message

__all__ = ["message"]
