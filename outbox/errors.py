"""Every error of the outbox, under one root. Each message says what was wrong, where, and what to do."""

from __future__ import annotations

from enum import Enum
from typing import Literal

PoisonCode = Literal["undecodable", "unencodable", "refused"]
"""Who refuses a poison message: the driver, the encoding of its value, or what it is delivered to."""


class OutboxError(Exception):
    """The root of this package's errors: `except OutboxError` catches them all, and nothing of the driver's."""


class InvalidName(OutboxError):
    """The outbox's name is not `[A-Za-z][A-Za-z0-9_-]{0,63}`, or it is `system`, which is MongoDB's own."""


class InvalidDatabase(OutboxError):
    """An outbox was given something else than a database of a synchronous `pymongo.MongoClient`."""


class InvalidMessageClass(OutboxError):
    """A message class cannot be used: not an EmbeddedDocument, no `@message`, or a field that cannot be stored."""


class InvalidMessage(OutboxError):
    """A message was refused, by the client before it was written or by the server's validator (code 121)."""


class UnknownMessage(InvalidMessage):
    """A message of a class that was not given to this `Outbox(messages=…)`."""


class MessageTooLarge(InvalidMessage):
    """The staged document is larger than `max_message_bytes`."""


class InvalidHeaders(InvalidMessage):
    """Headers must map names to text, within limits; `id`, `seq`, `log`, `created` and `type` are reserved."""


class TransactionRequired(OutboxError):
    """A put outside a transaction without `standalone=True`, inside one with it, or in another client's."""


class OutboxNotCreated(OutboxError):
    """The collections are missing, or staging has no validator: `create()` was never run."""


class IncompatibleOutbox(OutboxError):
    """`create()` met something it cannot change without risking messages."""


class UnsupportedServer(OutboxError):
    """The server, or the client's server API, has no capped collections, transactions or snapshot reads."""


class MissingPrivilege(OutboxError):
    """The database's user may not do what this kind of process has to do; see docs/security.md."""


class InvalidSelector(OutboxError):
    """A `types` or `key` that no record can have, or none that is readable: text for a list, an empty list, a float."""


class InvalidStart(OutboxError):
    """A start position that is none: a wrong type, below 1, or beyond the head of the log."""


class HistoryLost(OutboxError):
    """The log has rolled over records this reader had not read yet.

    `expected` is the seq it wanted next, `oldest` the oldest the log still holds.
    """

    def __init__(self, expected: int, oldest: int) -> None:
        super().__init__(
            f"the log no longer holds seq {expected}; the oldest it holds is {oldest}, so {oldest - expected} "
            "record(s) were rolled over unread. A larger capacity keeps more; a reader goes on from 'earliest'"
        )
        self.expected = expected
        self.oldest = oldest


class LogReplaced(OutboxError):
    """The log was dropped and made anew, or restored from a backup, under a reader or behind its saved position."""


class LogCorrupt(OutboxError):
    """A document of the log is not a record batch as this library writes it."""


class UndecodableRecord(OutboxError):
    """A field of a record cannot be decoded: the server stores what the driver does not read.

    `seq` and `id` are the record's, `field` what was asked for.
    """

    def __init__(self, seq: int, id: object, field: str) -> None:
        super().__init__(
            f"the {field} of the record with seq {seq} (id {id}) cannot be decoded: the driver of another language has "
            f"written BSON that pymongo does not read. All else of it can be used; what comes next begins at {seq + 1}"
        )
        self.seq = seq
        self.id = id
        self.field = field


class LeaseLost(OutboxError):
    """Another process holds the lease now, or this one could not confirm it in time."""


class PoolTooSmall(OutboxError):
    """The client's `maxPoolSize` leaves no connection beside those that reading keeps."""


class OutboxClosed(OutboxError):
    """The outbox was closed, or the process was forked after it was made."""


class EmbeddedUnavailable(OutboxError):
    """The embedded MongoDB is not installed, cannot run on this system, or did not start."""


class DeliveryError(OutboxError):
    """The root of what only delivering raises: what a relay or another durable reader of the log does."""


class Unreachable(DeliveryError):
    """A server did not answer when the relay started."""


class DeliveryRefused(DeliveryError):
    """The broker refuses records for a reason that somebody must remove first: rights, or its own settings."""


class CursorMismatch(DeliveryError):
    """The saved cursor points at another message than the log holds at that seq, or beyond the log's head; or it is
    gone though the relay is running."""


class CursorInUse(DeliveryError):
    """The cursor cannot be moved: a relay is working with it."""


class PoisonMessage(DeliveryError):
    """A message that will never be delivered, however often it is tried.

    `seq` is its number, `id` its message id (24 hex digits), `code` who refuses it, `reason` why; `finding` is all of
    that in a sentence.
    """

    def __init__(self, seq: int, id: str, type: str, key: str | None, code: PoisonCode, reason: str) -> None:
        self.finding = f"message seq {seq} (id {id}, type {type!r}, key {key!r}) cannot be delivered: {reason}"
        super().__init__(f"{self.finding}. Everything before it is delivered")
        self.seq = seq
        self.id = id
        self.code = code
        self.reason = reason


class LetterTaken(DeliveryError):
    """A message cannot be put aside: another reader already has it among its dead letters."""


class LetterCorrupt(DeliveryError):
    """A dead letter that is to be sent is none that a relay has written."""


class Verdict(Enum):
    """What a failed delivery means for the relay."""

    POISON = "poison"
    """This one record will never be taken; others of the same topic may be."""
    CONFIG = "config"
    """No record will be taken until somebody changes something: rights, topics, the broker's settings."""
    RETRY = "retry"
    """Worth doing again, with a producer built anew and from the cursor on."""


class DeliveryFailed(DeliveryError):
    """A sink could not deliver a record it had accepted. `seq` is None when no single record is to blame."""

    def __init__(self, seq: int | None, verdict: Verdict, reason: str) -> None:
        super().__init__(reason if seq is None else f"seq {seq}: {reason}")
        self.seq = seq
        self.verdict = verdict
        self.reason = reason
