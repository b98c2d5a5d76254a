"""Finds, in the transaction of a put, which messages say something else than the newest of their id."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import bson
from bson import ObjectId, Timestamp
from bson.raw_bson import RawBSONDocument
from pymongo.client_session import ClientSession

from outbox.latest.view import READER, id_of
from outbox.log.log import Log
from outbox.log.record import Record
from outbox.mongo.calls import Find, outside_bound_session
from outbox.mongo.codec import DECODED, decoded
from outbox.mongo.collections import Collections
from outbox.staging.compacted import Compacted, compacted

Data = bytes | None
Messages = Mapping[ObjectId, Compacted]
Answers = Sequence[Sequence[RawBSONDocument]]
"""What the `questions` of ChangedOnly were answered, in their order."""
_UNKNOWN = b"?"
"""Stands for the data of an id whose newest message is not known, or cannot be decoded: nothing is equal to it."""
_MOST_STAGED = 1000
_MOST_BATCHES = 4


class ChangedOnly:
    """Leaves out what would change nothing. Thread-safe. Raises pymongo's errors.

    A message is on its way through staging and the log until the view has it, and at least one of the three shows it.
    All three are asked: it is left out only if each that knows of its id says the same of it. Where one of them has too
    much to look through, or the view is not kept, nothing is left out: a message too many harms nobody.

    Whoever puts asks the `questions` in its transaction, then `log_after` what the first of them was answered, and
    `choose`s by the answers: a call does so by the synchronous driver.
    """

    def __init__(self, collections: Collections, compactions: Mapping[str, str]) -> None:
        """compactions: of the message classes of this process."""
        self._collections = collections
        self._compactions = compactions
        self._log = Log(collections)

    def __call__(self, encoded: Mapping[ObjectId, bytes], session: ClientSession) -> set[ObjectId]:
        """Returns the ids of those to put: what changes something as this transaction sees it, or may do so."""
        messages = self.messages(encoded)
        answers = [find.ask(session) for find in self.questions(messages)]
        return self.choose(messages, answers, self.log_after(answers, session.cluster_time, session.operation_time))

    def messages(self, encoded: Mapping[ObjectId, bytes]) -> Messages:
        """Takes the messages apart."""
        return {id: compacted(document, self._compactions) for id, document in encoded.items()}

    def questions(self, messages: Messages) -> tuple[Find, Find, Find]:
        """Asks for the view's position, its entries of these messages, and the messages of their types in staging."""
        entries = sorted({str(message.entry) for message in messages.values()})
        types = sorted({message.type for message in messages.values()})
        return (
            Find(self._collections.cursors, {"_id": READER}, {"seq": 1}),
            Find(self._collections.latest, {"_id": {"$in": entries}}, {"data": 1}),
            Find(self._collections.staging, {"type": {"$in": types}}, limit=_MOST_STAGED + 1),
        )

    def choose(self, messages: Messages, answers: Answers, logged: dict[str, Data] | None) -> set[ObjectId]:
        """Returns the ids of those to put. logged: what `log_after` has returned. No I/O."""
        newest = self._newest(answers, logged)
        if newest is None:
            return set(messages)
        changed = set()
        for id, message in messages.items():
            entry = str(message.entry)
            if newest.get(entry, _UNKNOWN) != message.data:
                changed.add(id)
                newest[entry] = message.data  # for those after it in the same put
        return changed

    def _newest(self, answers: Answers, logged: dict[str, Data] | None) -> dict[str, Data] | None:
        """Returns what each id's newest message says, as far as that is certain; None when nothing is."""
        _, viewed, staging = answers
        staged = self._staged(staging)
        if staged is None or logged is None:
            return None
        newest: dict[str, Data] = {**{each["_id"]: each["data"].raw for each in viewed}, **logged}
        for entry, said in staged.items():  # in no order among each other, and perhaps in the log as well
            if entry in logged:
                said.add(logged[entry])
            newest[entry] = said.pop() if len(said) == 1 else _UNKNOWN
        return newest

    def _staged(self, staging: Sequence[RawBSONDocument]) -> dict[str, set[Data]] | None:
        """Returns all that staging has of each id; None when that is too much."""
        if len(staging) > _MOST_STAGED:
            return None
        staged: defaultdict[str, set[Data]] = defaultdict(set)
        for document in staging:
            record: Record[Any] = Record(0, b"", 0, decoded(bytes(document.raw)))
            if (entry := id_of(record, self._compactions)) is not None:
                staged[entry].add(_encoded(record))
        return staged

    @outside_bound_session
    def log_after(
        self, answers: Answers, cluster_time: Mapping[str, Any] | None, seen: Timestamp | None
    ) -> dict[str, Data] | None:
        """Returns what the log has of each id after the view's position, as of the transaction's times or later.

        To be asked when the transaction has its snapshot: what was not in the log by then, the snapshot has in staging.
        None when that is too much, or not all there, and when the view is not kept.
        """
        position = answers[0][0].get("seq") if answers[0] else None
        return None if position is None else self._logged(int(position), cluster_time, seen)

    def _logged(
        self, position: int, cluster_time: Mapping[str, Any] | None, seen: Timestamp | None
    ) -> dict[str, Data] | None:
        with self._collections.client.start_session(causal_consistency=True) as look:
            # So that a primary that was just elected does not answer from before this transaction began.
            look.advance_cluster_time(cluster_time or {})
            if seen is not None:
                look.advance_operation_time(seen)
            before = self._log.batch_at(position, look) if position else None
            if position and (before is None or before.last < position):
                return None
            first = 1 if before is None else before.last + 1
            batches = self._log.batches_from(first, _MOST_BATCHES, look)
        if len(batches) == _MOST_BATCHES or (batches and batches[0].first != first):
            return None
        if before is not None:
            batches.insert(0, before._replace(skip=position - before.first + 1))
        records = (record for batch in batches for record in batch.records())
        return {entry: _encoded(each) for each in records if (entry := id_of(each, self._compactions)) is not None}


def _encoded(record: Record[Any]) -> Data:
    data = record.stored["data"]
    return None if data is None else bson.encode(data, codec_options=DECODED)
