"""A transactional outbox for MongoDB: put in a transaction, subscribe through RxPY, relay to Kafka."""

from outbox.aio import AsyncOutbox
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
from outbox.monitoring.headroom import Headroom
from outbox.monitoring.status import CursorStatus, Held, Status
from outbox.outbox import Outbox
from outbox.projections.projection import Projection
from outbox.reader_status import ReaderShare, ReaderStatus
from outbox.readers.query import OnGap
from outbox.readers.start import Start
from outbox.staging.tombstone import Tombstone, tombstone

__all__ = [
    "AsyncOutbox",
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
    "tombstone",
]
