"""What is put: message classes, and the schemas that are made from one definition."""

from outbox.messages.declaration import message

__all__ = ["message"]
