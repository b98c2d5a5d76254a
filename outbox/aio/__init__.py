"""The outbox for asyncio: puts by the asynchronous driver itself, reading by the process's reader threads."""

from outbox.aio.outbox import AsyncOutbox
from outbox.aio.records import AsyncRecords

__all__ = ["AsyncOutbox", "AsyncRecords"]
