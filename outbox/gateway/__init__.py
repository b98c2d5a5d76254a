"""The gateway: an outbox over HTTP, for readers that can use neither Kafka nor MongoDB; needs the extra `gateway`."""

from outbox.gateway.application import application
from outbox.gateway.limits import Limits

__all__ = ["Limits", "application"]
