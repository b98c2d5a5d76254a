"""The outbox for asyncio: put messages in a transaction of an AsyncMongoClient, iterate over them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from types import TracebackType
from typing import Any, Literal, TypeVar, overload

from bson import ObjectId
from pymongo import AsyncMongoClient
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.asynchronous.database import AsyncDatabase

from outbox.aio.changed import AsyncChangedOnly
from outbox.aio.database import majority_async_database, synchronous_twin
from outbox.aio.put import AsyncPutter
from outbox.aio.reading import AsyncReading
from outbox.aio.synchronous import Synchronous
from outbox.aio.waiting import wait_until
from outbox.clock import SystemClock
from outbox.location import Location, PassedWait
from outbox.location import message_id as read_id
from outbox.messages.message_types import MessageTypes
from outbox.mongo.collections import Collections
from outbox.monitoring.status import Status
from outbox.observing import STOP_SECONDS
from outbox.outbox import Outbox
from outbox.reader_status import ReaderStatus
from outbox.readers.query import History
from outbox.staging.put import Message, as_sequence
from outbox.tracing.tracing import putting

M = TypeVar("M")


class AsyncOutbox(AsyncReading):
    """The outbox `name` of a service that runs on asyncio; it has what Outbox has, and takes the same arguments.

    database: of a pymongo.AsyncMongoClient. Puts go through that client, in its transactions. All else goes through a
        synchronous client with the same settings, which is made when it is first needed and closed by `close`: reading
        by the same threads as in a synchronous process, whatever the number of loops over records.

    One instance a process, made after any fork, and for one event loop. A cancelled call leaves nothing behind: what a
    thread has begun for it ends by itself. Raises InvalidDatabase, InvalidName and InvalidMessageClass.
    """

    def __init__(
        self,
        database: AsyncDatabase[Any],
        name: str = "outbox",
        *,
        messages: Sequence[type[Any]] = (),
        capacity: int | str | None = None,
        max_message_bytes: int = 1_000_000,
        sequence: bool = True,
    ) -> None:
        own = majority_async_database(database, "AsyncOutbox")
        self.name = name
        sync = Synchronous(
            synchronous_twin(database),
            lambda twin: Outbox(
                twin,
                name,
                messages=messages,
                capacity=capacity,
                max_message_bytes=max_message_bytes,
                sequence=sequence,
            ),
        )
        super().__init__(sync, own, MessageTypes(messages))
        self._putter = AsyncPutter(own, self._outbox.collections, self._types, max_message_bytes)

    @property
    def client(self) -> AsyncMongoClient[Any]:
        """The client whose database it was made with."""
        return self._database.client

    @property
    def collections(self) -> Collections:
        """Returns the collections of the synchronous twin, for metrics."""
        return self._outbox.collections

    def check_usable(self) -> None:
        """Raises OutboxClosed once it is closed, or in a process that was forked."""
        self._outbox.check_usable()

    async def create(self) -> None:
        """Makes the collections, or widens them, as Outbox.create."""
        await self._sync.call(self._outbox.create)
        self._putter.forget()

    @overload
    async def put(
        self,
        message: Message,
        *,
        session: AsyncClientSession | None = None,
        headers: Mapping[str, str] | None = None,
        standalone: bool = False,
        if_changed: Literal[False] = False,
    ) -> ObjectId: ...
    @overload
    async def put(
        self,
        message: Sequence[Message],
        *,
        session: AsyncClientSession | None = None,
        headers: Mapping[str, str] | None = None,
        standalone: bool = False,
        if_changed: Literal[False] = False,
    ) -> list[ObjectId]: ...
    @overload
    async def put(
        self,
        message: Message,
        *,
        session: AsyncClientSession | None = None,
        headers: Mapping[str, str] | None = None,
        standalone: bool = False,
        if_changed: bool,
    ) -> ObjectId | None: ...
    @overload
    async def put(
        self,
        message: Sequence[Message],
        *,
        session: AsyncClientSession | None = None,
        headers: Mapping[str, str] | None = None,
        standalone: bool = False,
        if_changed: bool,
    ) -> list[ObjectId | None]: ...
    async def put(
        self,
        message: Message | Sequence[Message],
        *,
        session: AsyncClientSession | None = None,
        headers: Mapping[str, str] | None = None,
        standalone: bool = False,
        if_changed: bool = False,
    ) -> ObjectId | list[ObjectId] | list[ObjectId | None] | None:
        """Puts one message, or a sequence of them in order, as Outbox.put; returns the id, or a list of ids.

        session: of the client that this was made with; one that is bound in this task (`async with session.bind()`)
            wins. The messages are encoded on the event loop's thread; if_changed=True also reads the log, on another.
        """
        self._outbox.check_usable()
        messages = as_sequence(message)
        ids: list[ObjectId] | list[ObjectId | None]
        with putting(self.collections.log.full_name, len(messages), headers) as traced:
            if if_changed:
                changed = AsyncChangedOnly(self._sync, self._database, self._types.compactions)
                ids = await self._putter.put_changed(messages, session, traced, standalone=standalone, changed=changed)
            else:
                ids = await self._putter.put(messages, session, traced, standalone=standalone)
        if self._outbox.unattended.is_due():
            self._sync.soon(self._outbox.unattended.check)
        return ids if isinstance(message, Sequence) else ids[0]

    async def sequence(self) -> int:
        """Numbers what staging holds, once, as Outbox.sequence; returns how many messages that were."""
        return await self._sync.call(self._outbox.sequence)

    async def status(self) -> Status:
        """Tells where the log, the readers and the sequencer are, as Outbox.status."""
        return await self._sync.call(self._outbox.status)

    async def types(self) -> tuple[str, ...]:
        """Returns the message types that staging's validator accepts, as Outbox.types."""
        return await self._sync.call(self._outbox.types)

    def json_schemas(self) -> dict[str, dict[str, Any]]:
        """Returns the JSON Schema of each message class, as Outbox.json_schemas. Asks no server."""
        return self._outbox.json_schemas()

    async def readers(self) -> list[ReaderStatus]:
        """Tells how far each durable reader is that has begun, as Outbox.readers."""
        return await self._sync.call(self._outbox.readers)

    async def find(self, message_id: ObjectId | str, archive: History | None = None) -> Location:
        """Tells where a message is now, and which durable readers have passed it, as Outbox.find."""
        return await self._sync.call(partial(self._outbox.find, message_id, archive))

    async def wait_for(self, message_id: ObjectId | str, reader: str, timeout: float = 5.0) -> None:
        """Returns when a durable reader has passed a message, as Outbox.wait_for. Holds no thread while it waits."""
        self._outbox.check_usable()
        outbox, id = self._outbox, read_id(message_id)
        passed = PassedWait(outbox.collections, outbox.log, id, reader, SystemClock())
        await wait_until(self._sync, passed.has_passed, passed.timed_out, timeout)

    async def drop(self) -> None:
        """Drops the collections with every message in them, as Outbox.drop."""
        await self._sync.call(self._outbox.drop)
        self._putter.forget()

    async def close(self) -> None:
        """Ends all loops over records, stops the threads, and closes the synchronous client; the given one stays open.
        Idempotent. Inside a handler it returns at once, and all of that comes when the handler has returned."""
        self._growth.close()
        await self._sync.close(partial(self._growth.wait_ended, STOP_SECONDS))

    async def __aenter__(self) -> AsyncOutbox:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
