"""Every error of the outbox, under one root. Each message says what was wrong, where, and what to do."""

from __future__ import annotations


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
