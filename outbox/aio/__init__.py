"""The outbox for asyncio: puts by the asynchronous driver itself, reading by the process's reader threads."""

from outbox.aio.consumer import AsyncConsumer
from outbox.aio.inbox import AsyncInbox
from outbox.aio.outbox import AsyncOutbox
from outbox.aio.records import AsyncRecords

__all__ = ["AsyncConsumer", "AsyncInbox", "AsyncOutbox", "AsyncRecords"]
