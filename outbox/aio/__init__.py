"""The outbox for asyncio: puts by the asynchronous driver itself, reading by the process's reader threads."""

from outbox.aio.consumers.consumer import AsyncConsumer
from outbox.aio.consumers.inbox import AsyncInbox
from outbox.aio.outbox import AsyncOutbox
from outbox.aio.projection import AsyncProjection
from outbox.aio.records import AsyncRecords

__all__ = ["AsyncConsumer", "AsyncInbox", "AsyncOutbox", "AsyncProjection", "AsyncRecords"]
