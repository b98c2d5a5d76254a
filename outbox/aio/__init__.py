"""The outbox for asyncio: puts by the asynchronous driver itself, reading by the process's reader threads."""

from outbox.aio.outbox import AsyncOutbox

__all__ = ["AsyncOutbox"]
