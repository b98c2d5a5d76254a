"""The other end: remembers which messages a consumer has handled, in the transaction of what it does with them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from bson import ObjectId
from pymongo.client_session import ClientSession
from pymongo.database import Database
from pymongo.errors import OperationFailure, PyMongoError

from outbox.clock import SystemClock
from outbox.errors import InboxNotCreated, InvalidInboxEntry
from outbox.mongo.calls import PAUSE_SECONDS, in_short_tries, outside_bound_session, time_limit
from outbox.mongo.collections import NAME, check_name, majority_database
from outbox.mongo.server_errors import patient
from outbox.staging.transaction import check_client, joined

CLOCK = SystemClock()
LONGEST_ID = 512
"""Characters of a message's id."""
LONGEST_KEEP = timedelta(days=20_000)
"""The server counts the seconds of an index's time in 31 bits."""
_INDEX = "kept"
REMEMBERED = [{"$set": {"at": {"$ifNull": ["$at", "$$NOW"]}}}]
_CREATE_SECONDS = 60.0
_OPTIONS_CONFLICT = 85
_EXISTS = 48
_OUTSIDE = (
    "once was called outside a transaction, so its answer would not commit with what is done about the message: give "
    "it `session=`, or call it inside `with session.bind(), session.start_transaction():`; "
    "`session.with_transaction(…)` starts one too"
)


ASYNC_OUTSIDE = _OUTSIDE.replace("with session.bind(), session", "async with session.bind(), await session")


class Inbox:
    """Remembers, for some days, which messages were handled: a document for each message and consumer. Thread-safe.

    For consumers of Kafka, which see a message again after a crash, and for any other source that numbers its messages.

    database: of the client whose transactions the effects are in.
    name: of the collection; as an outbox's.
    keep: how long a message is remembered, a second at least. It must be longer than any repetition may take: what
        comes again later than that is handled again.

    Raises InvalidDatabase, InvalidName and InvalidInboxEntry.
    """

    def __init__(self, database: Database[Any], name: str = "inbox", *, keep: timedelta = timedelta(days=30)) -> None:
        given: object = keep
        if not isinstance(given, timedelta) or not timedelta(seconds=1) <= given <= LONGEST_KEEP:
            raise InvalidInboxEntry(f"keep={keep!r}: give a timedelta from a second to {LONGEST_KEEP.days:,} days")
        check_name(name, "an inbox name")
        own = majority_database(database, "Inbox")
        self.name = name
        self._client = own.client
        self._entries = own[name]
        self._seconds = int(keep.total_seconds())
        self._is_ready = False

    @outside_bound_session
    @patient
    def create(self) -> None:
        """Makes the collection and its index, or changes how long the index keeps. Idempotent; for deployments.

        A shorter time also holds for what is there: the server removes it within minutes. A change waits up to a minute
        for transactions that stay open on the inbox, and lets others through. Raises pymongo's errors.
        """
        with time_limit(_CREATE_SECONDS):
            try:
                self._entries.database.command("create", self.name)
            except OperationFailure as error:
                if error.code != _EXISTS:
                    raise
            try:
                self._entries.create_index("at", name=_INDEX, expireAfterSeconds=self._seconds)
                return
            except OperationFailure as error:
                if error.code != _OPTIONS_CONFLICT:
                    raise
        self._change_seconds()

    def _change_seconds(self) -> None:
        until = CLOCK.monotonic() + _CREATE_SECONDS
        index = {"name": _INDEX, "expireAfterSeconds": self._seconds}

        def is_done() -> bool:
            with time_limit():
                return kept_seconds(self._entries.index_information()) == self._seconds

        def pause(error: PyMongoError) -> None:
            if CLOCK.monotonic() > until:
                error.add_note(
                    f"transactions that stay open on {self._entries.full_name} hold up how long it keeps its entries: "
                    "nothing is half done; try again later"
                )
                raise error
            CLOCK.wait(PAUSE_SECONDS)

        in_short_tries(lambda: self._entries.database.command("collMod", self.name, index=index), is_done, pause)

    def once(
        self, message_id: ObjectId | str | bytes, consumer: str = "default", *, session: ClientSession | None = None
    ) -> bool:
        """Tells whether this consumer sees the message for the first time, and remembers it with the transaction.

        Call it in the transaction of the effect, and leave the effect out when it says False. When the transaction is
        aborted, nothing was remembered. Of two transactions at a time with the same message one gets a write conflict,
        which `with_transaction` does again.

        message_id: as the header `id` has it; an ObjectId is its 24 hex digits, and bytes are UTF-8.
        consumer: who asks; each handles a message once. 1 to 64 letters, digits, '_' or '-', a letter first.
        session: as for `Outbox.put`; a bound one wins.

        Raises, before anything is written: TransactionRequired, InvalidInboxEntry, InboxNotCreated. Pymongo's errors
        pass through, so that `with_transaction` can retry.
        """
        entry = entry_id(message_id, consumer)
        wanted = joined(session, standalone=False, missing=_OUTSIDE)
        assert wanted is not None
        check_client(wanted, self._client, "Inbox")
        self._check_ready()
        # An upsert that finds the entry writes nothing. An insert of it would abort the transaction. The date is the
        # server's: one of a clock that is behind would be forgotten too early.
        found = self._entries.update_one({"_id": entry}, REMEMBERED, upsert=True, session=wanted)
        return found.matched_count == 0

    @outside_bound_session
    @patient
    def _check_ready(self) -> None:
        """Without the index, entries would be made that nobody ever removes. Looks until it is there."""
        if self._is_ready:
            return
        with time_limit():
            if not has_index(self._entries.index_information()):
                raise not_created(self._entries.full_name, "Inbox")
        self._is_ready = True


def entry_id(message_id: object, consumer: object) -> dict[str, str]:
    """Makes the `_id` of a message that a consumer has handled. Raises InvalidInboxEntry."""
    return {"consumer": _consumer(consumer), "message": _message(message_id)}


def has_index(information: Mapping[str, Any]) -> bool:
    """Tells whether the index is there that removes the entries."""
    return _INDEX in information


def kept_seconds(information: Mapping[str, Any]) -> int | None:
    """Returns how long entries are kept, by what the server says of a collection's indexes; None for no inbox."""
    found = information.get(_INDEX, {}).get("expireAfterSeconds")
    return None if found is None else int(found)


def not_created(name: str, owner: str) -> InboxNotCreated:
    """Makes the error of an inbox that create() has not made."""
    return InboxNotCreated(
        f"{name} does not exist, or has no index {_INDEX!r}: run {owner}(…).create() once, at deployment"
    )


def _consumer(value: object) -> str:
    if isinstance(value, str) and NAME.fullmatch(value):
        return value
    raise InvalidInboxEntry(f"consumer={value!r:.100}: a letter, then up to 63 letters, digits, '_' or '-'")


def _message(value: object) -> str:
    if isinstance(value, ObjectId):
        return str(value)
    try:
        text = value.decode() if isinstance(value, bytes) else value
    except UnicodeDecodeError:
        text = None
    if isinstance(text, str) and 1 <= len(text) <= LONGEST_ID and text.isprintable():
        return text
    raise InvalidInboxEntry(
        f"message_id={value!r:.100}: give an ObjectId, or a printable text of 1 to {LONGEST_ID} characters, such as "
        "the header `id`"
    )
