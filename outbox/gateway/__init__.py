"""The gateway: an outbox over HTTP, for readers that can use neither Kafka nor MongoDB; needs the extra `gateway`."""

from outbox.gateway.application import application
from outbox.gateway.limits import Limits
from outbox.gateway.tokens.file_tokens import FileTokens
from outbox.gateway.tokens.stored_tokens import StoredTokens

__all__ = ["FileTokens", "Limits", "StoredTokens", "application"]
