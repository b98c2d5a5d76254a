"""An outbox in memory: for tests of code that puts, observes, reads and consumes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, cast, overload

from bson import ObjectId
from pymongo.client_session import ClientSession

from outbox import dates
from outbox.arguments import check_timeout
from outbox.consumers.config import Asked, Deliveries
from outbox.errors import NotInMemory, OutboxClosed, WaitTimeout
from outbox.location import Location
from outbox.location import message_id as read_id
from outbox.log.reader_id import check_id
from outbox.log.record import Record
from outbox.messages.message_types import MessageTypes
from outbox.mongo.collections import check_name
from outbox.observing import STOP_SECONDS, Observing
from outbox.outbox import Outbox
from outbox.reader_status import ReaderStatus
from outbox.readers.query import History
from outbox.staging.compacted import Compacted, check_compacted, compacted
from outbox.staging.document import Staged, parse
from outbox.staging.put import Message, as_sequence, encode
from outbox.staging.transaction import joined
from outbox.testing.clock import FakeClock
from outbox.testing.memory_deliveries import MemoryDeliveries
from outbox.testing.memory_log import MemoryLog, MemorySource
from outbox.testing.memory_readers import DeadLetter, MemoryReaders
from outbox.testing.session import MemorySession

_NOTHING = b"none"
"""What no message's data is."""


class MemoryOutbox(Observing):
    """Stands in for an Outbox in unit tests; needs no server. Thread-safe.

    It checks, encodes and numbers as the real one, and consumers run the same code: only where the records and
    positions are kept differs. What is put is in the log at once; in the transaction of a MemorySession, once that
    commits. Any other object whose `in_transaction` is true may stand for a session, but an abort takes nothing back
    then. A consumer's handler is called again without a pause between the attempts; `shares` make no difference.

    It has no `status`, `latest`, `projection`, `reader`, `running`, `sequences`, `drop`, `log`, `collections` and
    `declared`, and raises NotInMemory for them: `outbox.embedded` starts a real server in a second.

    clock: gives the messages their date; None: the machine's.
    """

    def __init__(
        self,
        *,
        messages: Sequence[type[Any]] = (),
        name: str = "outbox",
        max_message_bytes: int = 1_000_000,
        clock: FakeClock | None = None,
    ) -> None:
        check_name(name, "an outbox name")
        types = MessageTypes(messages)
        self.name = name
        self._log = MemoryLog(f"memory.{name}")
        self._readers = MemoryReaders(self._log)
        self._max_message_bytes = max_message_bytes
        self._clock = clock
        self._newest: dict[str, bytes | None] = {}
        """What the newest of each compaction id says."""
        self._closed = False
        super().__init__(types, MemorySource(self._log, name, types.names))

    def create(self) -> None:
        """Does nothing: there are no collections to make."""
        self.check_usable()

    @property
    def records(self) -> list[Record[Any]]:
        """What was put so far, numbered from 1, as a reader of the log would see it."""
        return self._log.records(self._types.decode)

    @overload
    def put(
        self,
        message: Message,
        *,
        session: ClientSession | MemorySession | None = None,
        headers: Mapping[str, str] | None = None,
        standalone: bool = False,
        if_changed: Literal[False] = False,
    ) -> ObjectId: ...
    @overload
    def put(
        self,
        message: Sequence[Message],
        *,
        session: ClientSession | MemorySession | None = None,
        headers: Mapping[str, str] | None = None,
        standalone: bool = False,
        if_changed: Literal[False] = False,
    ) -> list[ObjectId]: ...
    @overload
    def put(
        self,
        message: Message,
        *,
        session: ClientSession | MemorySession | None = None,
        headers: Mapping[str, str] | None = None,
        standalone: bool = False,
        if_changed: bool,
    ) -> ObjectId | None: ...
    @overload
    def put(
        self,
        message: Sequence[Message],
        *,
        session: ClientSession | MemorySession | None = None,
        headers: Mapping[str, str] | None = None,
        standalone: bool = False,
        if_changed: bool,
    ) -> list[ObjectId | None]: ...
    def put(
        self,
        message: Message | Sequence[Message],
        *,
        session: ClientSession | MemorySession | None = None,
        headers: Mapping[str, str] | None = None,
        standalone: bool = False,
        if_changed: bool = False,
    ) -> ObjectId | list[ObjectId] | list[ObjectId | None] | None:
        """As Outbox.put, all of them or none; see the class for what differs.

        if_changed: the newest of an id is always known here.
        """
        self.check_usable()
        transaction: object = joined(cast(ClientSession | None, session), standalone=standalone)
        encoded = encode(as_sequence(message), headers, self._types, self._max_message_bytes)
        messages = {id: compacted(document, self._types.compactions) for id, document in encoded.items()}
        if if_changed:
            check_compacted(messages.values())
        with self._log.changed:
            unseen = transaction.uncommitted(self) if isinstance(transaction, MemorySession) else {}
            newest = {**self._newest, **unseen}
            ids = [id if not if_changed or _changes(newest, message) else None for id, message in messages.items()]
            staged = [self._staged(encoded[id]) for id in ids if id is not None]
            said = _newest(messages[id] for id in ids if id is not None)
            if isinstance(transaction, MemorySession):
                unseen.update(said)
                transaction.at_commit(lambda: self._append(staged, said))
            else:
                self._append(staged, said)
        return ids if isinstance(message, Sequence) else ids[0]

    def _staged(self, document: bytes) -> Staged:
        staged = parse(document)
        return staged if self._clock is None else staged._replace(created=dates.milliseconds(self._clock.date))

    def _append(self, staged: Sequence[Staged], newest: Mapping[str, bytes | None]) -> None:
        with self._log.changed:
            self._newest.update(newest)
            if staged:
                self._log.append(staged)

    def roll_over(self, before: int) -> None:
        """Drops the records before the seq `before`, as a log does that is full: whoever was to read them next gets
        HistoryLost. What a consumer with a position has not handled stays, and so does the newest record."""
        self.check_usable()
        self._log.roll_over(min([before, *(position + 1 for _, position in self._readers.begun())]))

    @property
    def dead_letters(self) -> list[DeadLetter]:
        """What consumers have put aside, by reader and seq."""
        return self._readers.letters()

    def _head(self) -> int:
        """See Observing."""
        self.check_usable()
        return self._log.head()

    def sequence(self) -> int:
        """Returns 0: what is put has its number at once."""
        self.check_usable()
        return 0

    def types(self) -> tuple[str, ...]:
        """Returns the message types that it was given."""
        return self._types.names

    def json_schemas(self) -> dict[str, dict[str, Any]]:
        """See Outbox.json_schemas."""
        return self._types.json_schemas()

    def readers(self) -> list[ReaderStatus]:
        """See Outbox.readers. The holder of one that runs is `memory`."""
        self.check_usable()
        return self._readers.statuses()

    def find(self, message_id: ObjectId | str, archive: History | None = None) -> Location:
        """See Outbox.find. Nothing is ever in staging. Raises NotInMemory for an archive."""
        self.check_usable()
        if archive is not None:
            raise NotInMemory("archive= is not in memory: ask an Outbox")
        return self._readers.find(read_id(message_id))

    def wait_for(self, message_id: ObjectId | str, reader: str, timeout: float = 5.0) -> None:
        """See Outbox.wait_for."""
        self.check_usable()
        check_id(reader)
        check_timeout(timeout)
        wanted = read_id(message_id)
        with self._log.changed:
            if not self._log.changed.wait_for(lambda: reader in self._readers.find(wanted).passed, timeout):
                location = self._readers.find(wanted)
                known = any(state.id == reader for state, _ in self._readers.begun())
                has = "" if known else f"; {reader} has no cursor here"
                raise WaitTimeout(f"{reader} has not passed it within {timeout:g} s: {location}{has}", location)

    def close(self) -> None:
        """Completes all subscriptions and stops the consumers. Idempotent."""
        self._end_consumers(STOP_SECONDS)  # before the rest: a handler that runs may still put
        self._closed = True
        self._end_reading(0)

    def check_usable(self) -> None:
        if self._closed:
            raise OutboxClosed("this MemoryOutbox was closed; make a new one")

    def _deliveries(self, asked: Asked) -> Deliveries:
        if asked.query.history is not None:
            raise NotInMemory("archive= is not in memory: make the consumer of an Outbox")
        return MemoryDeliveries(self._log, self._readers, asked, self._types.decode, self.check_usable)

    def __enter__(self) -> MemoryOutbox:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    if not TYPE_CHECKING:  # for type checkers, what is not there is not there

        def __getattr__(self, name: str) -> Any:
            if name in ("log", "collections", "unattended") or (not name.startswith("_") and hasattr(Outbox, name)):
                raise NotInMemory(
                    f"a MemoryOutbox has no {name}: test what needs it with an Outbox on a real server, which "
                    "outbox.embedded.EmbeddedMongo or the pytest fixture outbox_factory starts in a second"
                )
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")


def _changes(newest: dict[str, bytes | None], message: Compacted) -> bool:
    """Tells whether a message says something new of its id, and notes it."""
    assert message.entry is not None, "check_compacted() has looked"
    if newest.get(message.entry, _NOTHING) == message.data:
        return False
    newest[message.entry] = message.data
    return True


def _newest(messages: Iterable[Compacted]) -> dict[str, bytes | None]:
    return {message.entry: message.data for message in messages if message.entry is not None}
