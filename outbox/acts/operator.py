"""Does what an operator asks of a durable reader, and has it written to the log of acts."""

from __future__ import annotations

from outbox import reader_status
from outbox.acts.log import ActLog, Person
from outbox.dead_letters.admin import DeadLetterAdmin, Requeued, Selection
from outbox.log.reader_id import check_id
from outbox.mongo.collections import Collections
from outbox.mongo.server_errors import patiently
from outbox.shares.paused import set_paused


class Operator:
    """Acts for a person on one durable reader, by its id; each act is in `NAME.acts` before it is done. Thread-safe.

    Every method raises InvalidArgument when no name, or no reason where it is needed, is given, and pymongo's errors.
    """

    def __init__(self, collections: Collections, reader: str, person: Person) -> None:
        """Raises InvalidName for what can be no reader's id."""
        check_id(reader)
        self._collections = collections
        self._reader = reader
        self._person = person
        self._acts = ActLog(collections)
        self._letters = DeadLetterAdmin(collections, reader)

    def requeue(self, selection: Selection, reason: str | None = None) -> Requeued:
        """Asks the reader to handle letters again, as DeadLetterAdmin does."""
        with self._acts.act("requeue", self._reader, self._person, reason, selection) as outcome:
            requeued = self._letters.requeue(selection)
            outcome.count = requeued.letters
            outcome.refused = tuple(requeued.told)
        return requeued

    def discard(self, selection: Selection, reason: str | None) -> int:
        """Deletes letters for good, as DeadLetterAdmin does, and returns how many. There must be a reason."""
        with self._acts.act("discard", self._reader, self._person, reason, selection) as outcome:
            outcome.count = self._letters.discard(selection)
        return outcome.count

    def pause(self, reason: str | None = None) -> None:
        """Stops what the reader does, until it is resumed. Raises UnknownReader."""
        with self._acts.act("pause", self._reader, self._person, reason):
            self._set_paused(True)

    def resume(self, reason: str | None = None) -> None:
        """Lets the reader go on. Raises UnknownReader."""
        with self._acts.act("resume", self._reader, self._person, reason):
            self._set_paused(False)

    def _set_paused(self, paused: bool) -> None:
        if not set_paused(self._collections, self._reader, paused):
            raise patiently(lambda: reader_status.unknown(self._collections, self._reader))
