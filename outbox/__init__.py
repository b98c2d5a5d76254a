"""A transactional outbox for MongoDB: put in a transaction, subscribe through RxPY, relay to Kafka."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from outbox.aio import AsyncConsumer, AsyncInbox, AsyncOutbox, AsyncProjection, AsyncRecords
from outbox.consumers.consumer import Consumer
from outbox.consumers.inbox import Inbox
from outbox.errors import (
    CursorInUse,
    CursorMismatch,
    HistoryLost,
    InboxNotCreated,
    IncompatibleOutbox,
    InvalidArgument,
    InvalidConsumer,
    InvalidDatabase,
    InvalidHeaders,
    InvalidInboxEntry,
    InvalidMessage,
    InvalidMessageClass,
    InvalidName,
    InvalidProjection,
    InvalidSelector,
    InvalidStart,
    InvalidState,
    LeaseLost,
    LogCorrupt,
    LogReplaced,
    MessageTooLarge,
    MissingPrivilege,
    OutboxClosed,
    OutboxError,
    OutboxNotCreated,
    PoisonMessage,
    PoolTooSmall,
    ProjectionDiffers,
    ReaderPaused,
    Reject,
    TransactionRequired,
    UndecodableRecord,
    UnknownMessage,
    UnknownReader,
    UnsupportedServer,
    WaitTimeout,
)
from outbox.location import Location
from outbox.log.record import Record
from outbox.messages.declaration import message
from outbox.messages.plain.kind import PlainMessage, message_type
from outbox.messages.versions import upcast
from outbox.monitoring.headroom import Headroom
from outbox.monitoring.status import CursorStatus, Held, Status
from outbox.outbox import Outbox
from outbox.projections.projection import Projection
from outbox.reader_status import ReaderShare, ReaderStatus
from outbox.readers.query import OnGap
from outbox.readers.start import Start
from outbox.staging.tombstone import Tombstone, tombstone

if TYPE_CHECKING:
    from collections.abc import Sequence

    from outbox.remoting.aio import AsyncRemoteOutbox
    from outbox.remoting.outbox import RemoteOutbox

__all__ = [
    "AsyncConsumer",
    "AsyncInbox",
    "AsyncOutbox",
    "AsyncProjection",
    "AsyncRecords",
    "Consumer",
    "CursorInUse",
    "CursorMismatch",
    "CursorStatus",
    "Headroom",
    "Held",
    "HistoryLost",
    "Inbox",
    "InboxNotCreated",
    "IncompatibleOutbox",
    "InvalidArgument",
    "InvalidConsumer",
    "InvalidDatabase",
    "InvalidHeaders",
    "InvalidInboxEntry",
    "InvalidMessage",
    "InvalidMessageClass",
    "InvalidName",
    "InvalidProjection",
    "InvalidSelector",
    "InvalidStart",
    "InvalidState",
    "LeaseLost",
    "Location",
    "LogCorrupt",
    "LogReplaced",
    "MessageTooLarge",
    "MissingPrivilege",
    "OnGap",
    "Outbox",
    "OutboxClosed",
    "OutboxError",
    "OutboxNotCreated",
    "PlainMessage",
    "PoisonMessage",
    "PoolTooSmall",
    "Projection",
    "ProjectionDiffers",
    "ReaderPaused",
    "ReaderShare",
    "ReaderStatus",
    "Record",
    "Reject",
    "Start",
    "Status",
    "Tombstone",
    "TransactionRequired",
    "UndecodableRecord",
    "UnknownMessage",
    "UnknownReader",
    "UnsupportedServer",
    "WaitTimeout",
    "message",
    "message_type",
    "remote",
    "remote_async",
    "tombstone",
    "upcast",
]


def remote(url: str, *, token: str | None = None, messages: Sequence[type[Any]] = ()) -> RemoteOutbox:
    """Reaches an outbox through its gateway, with the extra `remote`; asks nobody yet.

    token: as `outbox token add` printed it. messages: the classes that may be put, and are decoded. Raises
    InvalidArgument and InvalidMessageClass.
    """
    from outbox.remoting.outbox import RemoteOutbox

    return RemoteOutbox(url, token=token, messages=messages)


def remote_async(url: str, *, token: str | None = None, messages: Sequence[type[Any]] = ()) -> AsyncRemoteOutbox:
    """Reaches an outbox through its gateway as `remote`, for asyncio."""
    from outbox.remoting.aio import AsyncRemoteOutbox

    return AsyncRemoteOutbox(url, token=token, messages=messages)
