"""Finds, in the transaction of a put, which messages say something else than the newest of their id."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import bson
from bson import ObjectId
from pymongo.client_session import ClientSession

from outbox.latest.view import LatestView, id_of
from outbox.log.log import Log
from outbox.log.record import Record
from outbox.mongo.calls import outside_bound_session, time_limit
from outbox.mongo.codec import DECODED, RAW, decoded
from outbox.mongo.collections import Collections
from outbox.staging.compacted import Compacted, compacted

Data = bytes | None
_UNKNOWN = b"?"
"""Stands for the data of an id whose newest message is not known, or cannot be decoded: nothing is equal to it."""
_MOST_STAGED = 1000
_MOST_BATCHES = 4


class ChangedOnly:
    """Leaves out what would change nothing. Thread-safe. Raises pymongo's errors.

    A message is on its way through staging and the log until the view has it, and at least one of the three shows it.
    All three are asked: it is left out only if each that knows of its id says the same of it. Where one of them has too
    much to look through, or the view is not kept, nothing is left out: a message too many harms nobody.
    """

    def __init__(self, collections: Collections, compactions: Mapping[str, str]) -> None:
        """compactions: of the message classes of this process."""
        self._collections = collections
        self._compactions = compactions
        self._view = LatestView(collections)
        self._log = Log(collections)

    @outside_bound_session
    def __call__(self, encoded: Mapping[ObjectId, bytes], session: ClientSession) -> set[ObjectId]:
        """Returns the ids of those to put: what changes something as this transaction sees it, or may do so."""
        messages = {id: compacted(document, self._compactions) for id, document in encoded.items()}
        newest = self._newest(list(messages.values()), session)
        if newest is None:
            return set(messages)
        changed = set()
        for id, message in messages.items():
            entry = str(message.entry)
            if newest.get(entry, _UNKNOWN) != message.data:
                changed.add(id)
                newest[entry] = message.data  # for those after it in the same put
        return changed

    def _newest(self, messages: list[Compacted], session: ClientSession) -> dict[str, Data] | None:
        """Returns what each id's newest message says, as far as that is certain; None when nothing is."""
        position = self._view.position(session)  # first: what is not in the log behind it is in the snapshot's staging
        if position is None:
            return None
        staged, logged = self._staged(messages, session), self._logged(position, session)
        if staged is None or logged is None:
            return None
        newest: dict[str, Data] = {**self._viewed(messages, session), **logged}
        for entry, said in staged.items():  # in no order among each other, and perhaps in the log as well
            if entry in logged:
                said.add(logged[entry])
            newest[entry] = said.pop() if len(said) == 1 else _UNKNOWN
        return newest

    def _viewed(self, messages: list[Compacted], session: ClientSession) -> dict[str, Data]:
        ids = list({message.entry for message in messages})
        with time_limit():
            entries = self._collections.latest.with_options(codec_options=RAW)
            found = entries.find({"_id": {"$in": ids}}, {"data": 1}, session=session)
            return {each["_id"]: each["data"].raw for each in found}

    def _staged(self, messages: list[Compacted], session: ClientSession) -> dict[str, set[Data]] | None:
        """Returns all that staging has of each id; None when that is too much."""
        staging = self._collections.staging.with_options(codec_options=RAW)
        types = sorted({message.type for message in messages})
        with time_limit():
            found = staging.find({"type": {"$in": types}}, limit=_MOST_STAGED + 1, session=session)
            documents = [decoded(bytes(each.raw)) for each in found]
        if len(documents) > _MOST_STAGED:
            return None
        staged: defaultdict[str, set[Data]] = defaultdict(set)
        for document in documents:
            record: Record[Any] = Record(0, b"", 0, document)
            if (entry := id_of(record, self._compactions)) is not None:
                staged[entry].add(_encoded(record))
        return staged

    def _logged(self, position: int, session: ClientSession) -> dict[str, Data] | None:
        """Returns the last of each id in the log after `position`; None when that is too much, or not all there."""
        with self._collections.client.start_session(causal_consistency=True) as look:
            # So that a primary that was just elected does not answer from before this transaction began.
            look.advance_cluster_time(session.cluster_time or {})
            if (seen := session.operation_time) is not None:
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
