"""A transactional outbox for MongoDB: put in a transaction, subscribe through RxPY, relay to Kafka."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

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
    from outbox.remoting.aio import AsyncRemoteOutbox
    from outbox.remoting.outbox import RemoteOutbox
    from outbox.staging.tombstone import Tombstone, tombstone

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

_MODULES = {
    "AsyncConsumer": "outbox.aio",
    "AsyncInbox": "outbox.aio",
    "AsyncOutbox": "outbox.aio",
    "AsyncProjection": "outbox.aio",
    "AsyncRecords": "outbox.aio",
    "Consumer": "outbox.consumers.consumer",
    "CursorInUse": "outbox.errors",
    "CursorMismatch": "outbox.errors",
    "CursorStatus": "outbox.monitoring.status",
    "Headroom": "outbox.monitoring.headroom",
    "Held": "outbox.monitoring.status",
    "HistoryLost": "outbox.errors",
    "Inbox": "outbox.consumers.inbox",
    "InboxNotCreated": "outbox.errors",
    "IncompatibleOutbox": "outbox.errors",
    "InvalidArgument": "outbox.errors",
    "InvalidConsumer": "outbox.errors",
    "InvalidDatabase": "outbox.errors",
    "InvalidHeaders": "outbox.errors",
    "InvalidInboxEntry": "outbox.errors",
    "InvalidMessage": "outbox.errors",
    "InvalidMessageClass": "outbox.errors",
    "InvalidName": "outbox.errors",
    "InvalidProjection": "outbox.errors",
    "InvalidSelector": "outbox.errors",
    "InvalidStart": "outbox.errors",
    "InvalidState": "outbox.errors",
    "LeaseLost": "outbox.errors",
    "Location": "outbox.location",
    "LogCorrupt": "outbox.errors",
    "LogReplaced": "outbox.errors",
    "MessageTooLarge": "outbox.errors",
    "MissingPrivilege": "outbox.errors",
    "OnGap": "outbox.readers.query",
    "Outbox": "outbox.outbox",
    "OutboxClosed": "outbox.errors",
    "OutboxError": "outbox.errors",
    "OutboxNotCreated": "outbox.errors",
    "PlainMessage": "outbox.messages.plain.kind",
    "PoisonMessage": "outbox.errors",
    "PoolTooSmall": "outbox.errors",
    "Projection": "outbox.projections.projection",
    "ProjectionDiffers": "outbox.errors",
    "ReaderPaused": "outbox.errors",
    "ReaderShare": "outbox.reader_status",
    "ReaderStatus": "outbox.reader_status",
    "Record": "outbox.log.record",
    "Reject": "outbox.errors",
    "Start": "outbox.readers.start",
    "Status": "outbox.monitoring.status",
    "Tombstone": "outbox.staging.tombstone",
    "TransactionRequired": "outbox.errors",
    "UndecodableRecord": "outbox.errors",
    "UnknownMessage": "outbox.errors",
    "UnknownReader": "outbox.errors",
    "UnsupportedServer": "outbox.errors",
    "WaitTimeout": "outbox.errors",
    "message": "outbox.messages.declaration",
    "message_type": "outbox.messages.plain.kind",
    "tombstone": "outbox.staging.tombstone",
    "upcast": "outbox.messages.versions",
}


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


if not TYPE_CHECKING:  # which would take any name for one of these

    def __getattr__(name: str) -> Any:
        # On first use: a service needs few of them, and to load them all takes as long as the driver itself.
        if name not in _MODULES:
            raise AttributeError(f"module 'outbox' has no attribute {name!r}")
        import importlib

        found = globals()[name] = getattr(importlib.import_module(_MODULES[name]), name)
        return found

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
