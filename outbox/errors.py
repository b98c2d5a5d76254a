"""Defines every error of the outbox, under one root. Each message says what was wrong, where, and what to do."""

from __future__ import annotations

from enum import Enum
from typing import Any, Literal

PoisonCode = Literal["undecodable", "unencodable", "refused"]
"""Who refuses a poison message: the driver, the encoder of the value, or the sink."""


class OutboxError(Exception):
    """The root of this package's errors: `except OutboxError` catches all of them, and none of the driver's."""

    def __reduce__(self) -> tuple[Any, ...]:
        # Python would make it anew of its text, which is not what some are made of; so a pool of processes broke.
        return _made_anew, (type(self), self.args), self.__dict__


def _made_anew(cls: type[OutboxError], args: tuple[object, ...]) -> OutboxError:
    return cls.__new__(cls, *args)


class InvalidName(OutboxError):
    """The outbox's name is not `[A-Za-z][A-Za-z0-9_-]{0,63}`, or it is `system`, which is MongoDB's own; or a durable
    reader's id is not its kind, a colon and its name."""


class InvalidDatabase(OutboxError):
    """An outbox was given something other than a database of a synchronous `pymongo.MongoClient`."""


class InvalidMessageClass(OutboxError):
    """A message class cannot be used: no document or model, no `@message`, or a field that cannot be stored."""


class InvalidMessage(OutboxError):
    """A message was refused, by the client before it was written or by the server's validator (code 121)."""


class UnknownMessage(InvalidMessage):
    """A message of a class that was not given to this `Outbox(messages=…)`."""


class MessageTooLarge(InvalidMessage):
    """The staged document is larger than `max_message_bytes`."""


class InvalidHeaders(InvalidMessage):
    """Headers must map names to text, within limits. Reserved: `id`, `seq`, `log`, `created`, `type`, `origin-…`."""


class TransactionRequired(OutboxError):
    """A put was outside a transaction without `standalone=True`, inside one with it, or in another client's."""


class InvalidInboxEntry(OutboxError):
    """An inbox cannot remember this: a message id, a consumer, or for how long."""


class InboxNotCreated(OutboxError):
    """The inbox has no collection, or it lacks the index that forgets: `Inbox.create()` was never run."""


class OutboxNotCreated(OutboxError):
    """The collections are missing, or staging has no validator: `create()` was never run."""


class IncompatibleOutbox(OutboxError):
    """`create()` met something it cannot change without risking messages."""


class UnsupportedServer(OutboxError):
    """The server, or the client's server API, has no capped collections, transactions or snapshot reads."""


class MissingPrivilege(OutboxError):
    """The database's user may not do what this kind of process has to do; see docs/security.md."""


class InvalidSelector(OutboxError):
    """A `types`, `key` or `where` cannot be used, or no record can have it: text in place of a list, a float."""


class InvalidArgument(OutboxError):
    """A reader or an operator was given what it cannot use: no function, a coroutine function, a count below 1; or two
    tasks asked one iterator at once."""


class WaitTimeout(OutboxError):
    """A reader has not passed a message in time. `location` is where the message is instead; None when the wait was for
    all of them."""

    def __init__(self, text: str, location: Any = None) -> None:
        super().__init__(text)
        self.location = location


class UnknownReader(OutboxError):
    """No durable reader of this id has begun on this outbox."""


class InvalidConsumer(OutboxError):
    """A consumer cannot be made, or run, like this: its arguments do not fit, or it runs already."""


class Reject(OutboxError):
    """Is raised by a handler that will never take this message: it is given up at once, see `on_poison`."""


class InvalidProjection(OutboxError):
    """A projection cannot be made, or run, like this: its arguments do not fit, or it runs already."""


class InvalidState(OutboxError):
    """A state cannot be kept: BSON does not hold it or gives it back as another, it is too large, or it is None."""


class ProjectionDiffers(OutboxError):
    """The states of a projection are not what its log makes.

    `key` is the one whose state differs (None without keys), `path` where in it, `expected` what the log makes there,
    and `found` what the state has; None for nothing.
    """

    def __init__(self, text: str, key: str | None, path: str, expected: Any, found: Any) -> None:
        super().__init__(text)
        self.key = key
        self.path = path
        self.expected = expected
        self.found = found


class InvalidArchive(OutboxError):
    """An archive cannot be opened or made like this: its place, name or format, or a package is missing."""


class ArchiveDamaged(OutboxError):
    """An archive is not as it was written: a chunk was changed, cut or lost.

    `chunk` is its path; None if there is none.
    """

    def __init__(self, text: str, chunk: str | None = None) -> None:
        super().__init__(text)
        self.chunk = chunk


class ArchiveUnavailable(OutboxError):
    """The place of an archive is full or away, or may not be read or written."""


class ImportRefused(OutboxError):
    """A line cannot be imported. What comes before it is in; it, and what comes after it, is not."""


class Superseded(OutboxError):
    """What this reader was doing is over: its states were replaced by others meanwhile. Inside this package only."""


class InvalidStart(OutboxError):
    """A start is no position: a wrong type, below 1, or beyond the head of the log."""


class HistoryLost(OutboxError):
    """The log has rolled over records that this reader had not read yet.

    `expected` is the seq that it wanted next, `oldest` the oldest that the log still holds.
    """

    def __init__(self, expected: int, oldest: int) -> None:
        super().__init__(
            f"the log no longer holds seq {expected}; the oldest it holds is {oldest}, so {oldest - expected} "
            "record(s) were rolled over unread. A larger capacity keeps more; a reader goes on from 'earliest'"
        )
        self.expected = expected
        self.oldest = oldest


class LogReplaced(OutboxError):
    """The log was dropped and made anew, or restored from a backup, while a reader was reading or stopped."""


class LogCorrupt(OutboxError):
    """A document of the log is not a record batch as this library writes it."""


class UndecodableRecord(OutboxError):
    """A field of a record cannot be decoded: the server stores values that the driver cannot read.

    `seq` and `id` are the record's, `field` the name of the field.
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
    """The client's `maxPoolSize` is 1: no connection would be free beside the one that reading keeps."""


class OutboxClosed(OutboxError):
    """The outbox was closed, or the process was forked after it was made."""


class NotInMemory(OutboxError, AttributeError):
    """An outbox.testing.MemoryOutbox has no such part of an Outbox."""


class EmbeddedUnavailable(OutboxError):
    """The embedded MongoDB is not installed, cannot run on this system, or did not start."""


class DeliveryError(OutboxError):
    """The root of the errors that only delivery raises, by a relay or another durable reader."""


class Unreachable(DeliveryError):
    """A server did not answer when the relay started."""


class DeliveryRefused(DeliveryError):
    """The broker refuses records until somebody changes something: rights, or the broker's settings."""


class CursorMismatch(DeliveryError):
    """The saved cursor does not fit the log: the log has another message at that seq, or ends before it; or the cursor
    was removed while the relay was running."""


class CursorInUse(DeliveryError):
    """The cursor cannot be moved: a relay is using it."""


class ReaderPaused(DeliveryError):
    """A run that was to deliver all cannot: the reader is paused."""


class PoisonMessage(DeliveryError):
    """A message that will never be delivered, however often it is tried.

    `seq` is its number, `id` its message id (24 hex digits), `code` who refuses it, `reason` why; `finding` says all
    of this in a sentence. `done`: what its reader does with messages.
    """

    def __init__(
        self, seq: int, id: str, type: str, key: str | None, code: PoisonCode, reason: str, done: str = "delivered"
    ) -> None:
        self.finding = f"message seq {seq} (id {id}, type {type!r}, key {key!r}) cannot be {done}: {reason}"
        super().__init__(f"{self.finding}. Everything before it is {done}")
        self.seq = seq
        self.id = id
        self.code = code
        self.reason = reason


class LetterTaken(DeliveryError):
    """A message cannot be put aside: another reader already has it among its dead letters."""


class LetterCorrupt(DeliveryError):
    """A dead letter cannot be sent again: no reader has written it in this form."""


class Verdict(Enum):
    """What a failed delivery means for the reader."""

    POISON = "poison"
    """This one record will never be accepted; others of the same topic may be."""
    CONFIG = "config"
    """No record will be accepted until somebody changes something: rights, topics, the broker's settings."""
    RETRY = "retry"
    """Trying again may succeed, with a new producer, from the cursor on."""


class DeliveryFailed(DeliveryError):
    """A target could not do a record it had accepted. `seq` is None when it is not because of one record.

    `done`: what the target does with records, as PoisonMessage says it. `code`: the target's own name of the error;
    "" when it has none.
    """

    def __init__(self, seq: int | None, verdict: Verdict, reason: str, done: str = "delivered", code: str = "") -> None:
        super().__init__(reason if seq is None else f"seq {seq}: {reason}")
        self.seq = seq
        self.verdict = verdict
        self.reason = reason
        self.done = done
        self.code = code
