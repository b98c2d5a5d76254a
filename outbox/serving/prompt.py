"""A protocol of uvicorn that waits for no client for ever."""

from __future__ import annotations

import asyncio
from typing import Any

HEAD_SECONDS = 10.0
"""So long a client may take to send the head of its first request."""


def prompt(protocol: type[Any], send_seconds: float) -> type[Any]:
    """Returns uvicorn's protocol for HTTP, but for two kinds of client that it would keep as long as they like.

    One sends the head of its first request too slowly, or never; one takes nothing of what is sent to it for
    `send_seconds`. Both are let go.
    """

    class Prompt(protocol):  # type: ignore[misc]  # which of uvicorn's two it is, is known at run time
        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            transport.set_write_buffer_limits(0)  # else what is less than 64 KiB waits for a client unnoticed
            self._slow: asyncio.TimerHandle | None = None
            self.loop.call_later(HEAD_SECONDS, self._leave_unless_begun, transport)

        def pause_writing(self) -> None:
            super().pause_writing()  # what is sent waits for the client from now on
            # Aborted, for a close waits for it, too.
            self._slow = self.loop.call_later(send_seconds, self.transport.abort)

        def resume_writing(self) -> None:
            super().resume_writing()
            self._forgive()

        def connection_lost(self, exc: Exception | None) -> None:
            super().connection_lost(exc)
            self._forgive()

        def _forgive(self) -> None:
            if self._slow is not None:
                self._slow.cancel()
                self._slow = None

        def _leave_unless_begun(self, transport: Any) -> None:
            if self.cycle is None and transport.get_protocol() is self:  # else it is a WebSocket by now
                transport.close()

    return Prompt
