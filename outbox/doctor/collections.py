"""What the doctor looks for in an outbox's own collections."""

from __future__ import annotations

from collections.abc import Iterator

from outbox.doctor.finding import Check, Finding
from outbox.doctor.work import at_work
from outbox.errors import IncompatibleOutbox
from outbox.log.reader_id import forget_command, resume_command
from outbox.mongo.calls import time_limit
from outbox.mongo.codec import Document
from outbox.mongo.collections import Collections
from outbox.monitoring.headroom import HeadroomGauge
from outbox.monitoring.headroom_warning import SHARE
from outbox.monitoring.privileges import Privileges, check_privileges
from outbox.monitoring.status import CursorStatus, Status, status
from outbox.monitoring.units import format_bytes, format_duration
from outbox.staging.creation import Declared, wanted_validator
from outbox.staging.validator import compactions_of, max_message_bytes_of, types_of

SERVICE: Privileges = {"*": ("listCollections",), "": ("find",), ".staging": ("find", "insert"), ".leases": ("find",)}
"""What a service needs to put and to read."""
HISTORY_SECONDS = 3600.0
_DEAD_INDEXES = ({"reader", "key", "seq"}, {"reader", "log", "seq"})


class OutboxExamination:
    """Looks at an outbox. It changes nothing.

    declared: what the application's message classes ask for; None for a process that has none, such as a relay.
    app: the application on the command line.
    """

    def __init__(self, collections: Collections, declared: Declared | None, app: str, needed: Privileges) -> None:
        self._collections = collections
        self._declared = declared
        self._needed = needed
        self._create = f"outbox create {app}"
        self._app = app
        self._status: Status | None = None

    def checks(self) -> dict[str, Check]:
        """The checks, by name."""
        return {
            "roles": self.roles,
            "collections": self.made,
            "validator": self.validator,
            "indexes": self.indexes,
            "capacity": self.capacity,
            "sequencing": self.sequencing,
            "readers": self.readers,
            "at work": self.at_work,
            "dead letters": self.dead_letters,
        }

    def types(self) -> dict[str, bool]:
        """Returns the message types that staging accepts, and whether each is compacted. Raises pymongo's errors."""
        validator = self._validator()
        compacted = compactions_of(validator)
        return {type: type in compacted for type in types_of(validator)}

    def largest(self) -> int | None:
        """Returns the most bytes of a staged message; None when staging does not say. Raises pymongo's errors."""
        return max_message_bytes_of(self._validator())

    def _validator(self) -> Document:
        found: Document = (self._collections.options(self._collections.staging.name) or {}).get("validator", {})
        return found

    def roles(self) -> Iterator[Finding]:
        """Raises MissingPrivilege, which names what the user lacks."""
        check_privileges(self._collections, self._needed)
        yield from ()

    def made(self) -> Iterator[Finding]:
        """Whether create() was run, and the log is capped: a server that makes no capped collection has none."""
        options = self._collections.options(self._collections.log.name)
        name = self._collections.log.full_name
        if options is None:
            yield self._missing(f"{name} is not there", "nothing can be put nor read")
        elif not options.get("capped"):
            yield Finding(
                "collections", f"{name} is no capped collection", "it never rolls over, and is no log of ours",
                f"if nothing needs it, db.getCollection('{self._collections.name}').drop(), then `{self._create}`",
                serious=True,
            )  # fmt: skip
        for collection in (self._collections.staging, self._collections.cursors, self._collections.dead):
            if self._collections.info(collection.name) is None:
                yield self._missing(f"{collection.full_name} is not there", "readers and puts stop at it")

    def _missing(self, what: str, why: str) -> Finding:
        return Finding("collections", what, why, f"`{self._create}`", serious=True)

    def validator(self) -> Iterator[Finding]:
        """Whether staging takes what these message classes make."""
        options = self._collections.options(self._collections.staging.name)
        if options is None:
            return
        staging = self._collections.staging.full_name
        if options.get("validationAction", "error") != "error":
            yield Finding(
                "validator", f"{staging} only warns of documents that are no messages",
                "what no reader can read gets into the log", f"`{self._create}`", serious=True,
            )  # fmt: skip
        if self._declared is None:
            return
        try:
            if wanted_validator(options, self._declared) == options.get("validator", {}):
                return
            what = f"the validator of {staging} is not as wide as the message classes of {self._app}"
        except IncompatibleOutbox as error:
            what = f"the message classes of {self._app} contradict the validator of {staging}: {error}"
        yield Finding("validator", what, "the server refuses their puts", f"`{self._create}`", serious=True)

    def indexes(self) -> Iterator[Finding]:
        """What keeps staging and the dead letters quick."""
        wanted = [(self._collections.staging, {"at"}), *((self._collections.dead, each) for each in _DEAD_INDEXES)]
        for collection, fields in wanted:
            with time_limit():
                found = [set(index["key"]) for index in collection.list_indexes()]
            if found and fields not in found:
                yield Finding(
                    "indexes", f"{collection.full_name} has no index of {', '.join(sorted(fields))}",
                    "each look reads the whole collection", f"`{self._create}`",
                )  # fmt: skip

    def _now(self) -> Status:
        if self._status is None:
            self._status = status(self._collections)
        return self._status

    def capacity(self) -> Iterator[Finding]:
        """How many hours of history the log has at the rate of the newest messages."""
        now = self._now()
        headroom = HeadroomGauge(self._collections, now.capacity).headrooms({"": now.head})[""]
        if headroom is not None and headroom.seconds is not None and headroom.seconds < HISTORY_SECONDS:
            yield Finding(
                "capacity",
                f"at the rate of the newest messages the log of {format_bytes(now.capacity)} holds "
                f"{format_duration(headroom.seconds)}",
                "a reader that is away for longer holds up the sequencer, and staging grows",
                f"give Outbox(…, capacity=) more, and `{self._create}`",
            )  # fmt: skip

    def sequencing(self) -> Iterator[Finding]:
        """Whether somebody numbers what is put."""
        now = self._now()
        if now.unsequenced:
            yield Finding(
                "sequencing", f"{now.staging:,} message(s) wait, and no process numbers them", "none of them arrives",
                "`relay run …`, or `outbox sequence APP --keep`", serious=True,
            )  # fmt: skip
        if now.held is not None:
            mend = f"`{resume_command(now.held.reader)}`" if now.held.paused else "get it going"
            yield Finding(
                "sequencing", f"the sequencer waits for {now.held.reader}, for {format_duration(now.held.seconds)}",
                "nothing is numbered meanwhile, and staging grows",
                f"{mend}; or give it up: `{forget_command(now.held.reader)}`", serious=True,
            )  # fmt: skip

    def readers(self) -> Iterator[Finding]:
        """Whether each durable reader is where it can go on, and not near to holding the sequencer."""
        now = self._now()
        for cursor in now.cursors:
            if cursor.headroom is None and cursor.seq < now.head:
                yield Finding(
                    "readers", f"what {cursor.reader} would read next, seq {cursor.seq + 1}, is gone from the log",
                    "it has lost messages, and stops", self._reset(cursor), serious=True,
                )  # fmt: skip
            elif cursor.headroom is not None and cursor.headroom.bytes < SHARE * now.capacity:
                yield Finding(
                    "readers", f"{cursor.reader} is far behind: {format_bytes(cursor.headroom.bytes)} are left",
                    "then the sequencer waits for it", self._going_on(cursor),
                )  # fmt: skip
            elif cursor.paused:
                yield Finding(
                    "readers", f"{cursor.reader} is paused", "it delivers nothing, and holds the log all the same",
                    self._going_on(cursor),
                )  # fmt: skip

    def _reset(self, cursor: CursorStatus) -> str:
        return f"`outbox readers {self._app} reset {cursor.reader} --to earliest` goes on with what is left"

    def _going_on(self, cursor: CursorStatus) -> str:
        return f"`{resume_command(cursor.reader)}`" if cursor.paused else "see that it runs, and is fast enough"

    def at_work(self) -> Iterator[Finding]:
        """Whether somebody works for each durable reader, and gets on."""
        return at_work(self._collections, self._now().cursors)

    def dead_letters(self) -> Iterator[Finding]:
        """Whether messages were put aside."""
        now = self._now()
        if now.dead or now.parked:
            yield Finding(
                "dead letters", f"{now.dead:,} message(s) are dead letters, {now.parked:,} wait behind them",
                "they have not arrived, and nothing else reminds of them",
                f"`outbox readers {self._app} list` says of which reader; then `outbox dead {self._app} list --reader "
                "READER`",
            )  # fmt: skip
