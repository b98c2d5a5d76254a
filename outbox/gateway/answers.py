"""What the gateway answers: JSON, and refusals with the codes of the contract."""

from __future__ import annotations

import json
from typing import Any

from pymongo.errors import PyMongoError
from starlette.responses import Response

from outbox.errors import (
    CursorInUse,
    CursorMismatch,
    HistoryLost,
    InvalidHeaders,
    InvalidMessage,
    InvalidSelector,
    InvalidStart,
    LeaseLost,
    LogReplaced,
    MessageTooLarge,
    OutboxClosed,
    OutboxError,
    OutboxNotCreated,
)
from outbox.mongo.server_errors import is_transient

BACK_SECONDS = 1
"""When a client that is told to come back may do so."""


class Refusal(OutboxError):
    """A call is refused: with this HTTP status, and `{"error": code, "detail": detail, …}`."""

    def __init__(self, status: int, code: str, detail: str, **more: Any) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.more = more

    @property
    def body(self) -> dict[str, Any]:
        """What the client is told."""
        return {"error": self.code, "detail": str(self), **self.more}


class Json(Response):
    """An answer in JSON, of a value or of what is encoded already."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """See Response.render."""
        return content if isinstance(content, bytes) else json.dumps(content, separators=(",", ":")).encode()


def answer(refusal: Refusal) -> Response:
    """Makes the answer of a refusal."""
    headers = {"Cache-Control": "no-store"}
    if refusal.status in (409, 429, 503):
        headers["Retry-After"] = str(refusal.more.get("retry_after", BACK_SECONDS))
    if refusal.status == 413:
        headers["Connection"] = "close"  # what the client goes on sending is not read
    if refusal.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return Json(refusal.body, refusal.status, headers)


def taken(consumer: str) -> Refusal:
    """Makes the refusal of a second connection."""
    return Refusal(409, "taken", f"another connection of {consumer} works: end it, or come back when it has ended")


def closing() -> Refusal:
    """Makes the refusal of a gateway that ends."""
    return Refusal(503, "closing", "this gateway ends: connect again, another process goes on where you are")


def refusal_of(error: Exception) -> Refusal | None:
    """Says an error of the outbox, or of its server, as a refusal; None for one that nobody foresaw."""
    match error:
        case Refusal():
            return error
        case HistoryLost():
            return Refusal(410, "history_lost", str(error), expected=error.expected, oldest=error.oldest)
        case LogReplaced() | CursorMismatch():
            return Refusal(410, "log_replaced", str(error))
        case InvalidStart() | InvalidSelector():
            return Refusal(400, "bad_request", str(error))
        case MessageTooLarge():
            return Refusal(413, "too_large", str(error))
        case InvalidMessage() | InvalidHeaders():
            return Refusal(422, "invalid_message", str(error))
        case CursorInUse() | LeaseLost():
            return Refusal(409, "taken", "another connection of this consumer works: end it, or come back later")
        case OutboxClosed():
            return closing()
        case OutboxNotCreated():
            return Refusal(503, "not_created", str(error))
        case PyMongoError() if is_transient(error):
            return Refusal(503, "unavailable", "the database does not answer just now: try again")
    return None
