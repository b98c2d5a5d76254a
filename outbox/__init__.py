"""A transactional outbox for MongoDB: put in a transaction, subscribe through RxPY, relay to Kafka."""

from outbox.errors import (
    HistoryLost,
    InboxNotCreated,
    IncompatibleOutbox,
    InvalidArgument,
    InvalidDatabase,
    InvalidHeaders,
    InvalidInboxEntry,
    InvalidMessage,
    InvalidMessageClass,
    InvalidName,
    InvalidSelector,
    InvalidStart,
    LeaseLost,
    LogCorrupt,
    LogReplaced,
    MessageTooLarge,
    MissingPrivilege,
    OutboxClosed,
    OutboxError,
    OutboxNotCreated,
    PoolTooSmall,
    TransactionRequired,
    UndecodableRecord,
    UnknownMessage,
    UnknownReader,
    UnsupportedServer,
    WaitTimeout,
)
from outbox.inbox import Inbox
from outbox.location import Location
from outbox.log.record import Record
from outbox.messages.declaration import message
from outbox.monitoring.headroom import Headroom
from outbox.monitoring.status import CursorStatus, Held, Status
from outbox.outbox import Outbox
from outbox.reader_status import ReaderShare, ReaderStatus
from outbox.readers.query import OnGap
from outbox.readers.start import Start
from outbox.staging.tombstone import Tombstone, tombstone

__all__ = [
    "CursorStatus",
    "Headroom",
    "Held",
    "HistoryLost",
    "Inbox",
    "InboxNotCreated",
    "IncompatibleOutbox",
    "InvalidArgument",
    "InvalidDatabase",
    "InvalidHeaders",
    "InvalidInboxEntry",
    "InvalidMessage",
    "InvalidMessageClass",
    "InvalidName",
    "InvalidSelector",
    "InvalidStart",
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
    "PoolTooSmall",
    "ReaderShare",
    "ReaderStatus",
    "Record",
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
    "tombstone",
]
