"""Applies records to states, inside the transactions that move the position."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bson.raw_bson import RawBSONDocument
from pymongo import ReplaceOne
from pymongo.client_session import ClientSession

from outbox.delivery.ports import OpenOutbox
from outbox.errors import InvalidState, Superseded
from outbox.log.cursor_document import whole
from outbox.log.reader_id import described
from outbox.log.record import Record
from outbox.mongo.calls import outside_bound_session
from outbox.mongo.codec import Document
from outbox.mongo.collections import HIGHEST_SEQ
from outbox.projections.header import HeaderStore
from outbox.projections.rules import Rules
from outbox.shares.states import key_of, state_id


class Folding:
    """Is the effect of a projection. It keeps nothing between two transactions: each reads the states that it changes.

    Thread-safe: the shares of a projection have one in common, and no state.
    """

    def __init__(self, outbox: OpenOutbox, rules: Rules, header: HeaderStore) -> None:
        self._outbox = outbox
        self._states = outbox.collections.states
        self._rules = rules
        self._header = header

    def __call__(self, records: Sequence[Record[Any]], session: ClientSession) -> None:
        """Applies the records, in order. Raises Superseded when the states are of another version by now, InvalidState,
        what the program's functions raise, and pymongo's errors."""
        header = self._header.load(session)
        if header is None or header.version != self._rules.version:
            raise Superseded(f"the states of {described(self._header.reader)} are no longer of its version")
        by_state: dict[str, list[Record[Any]]] = {}
        for record in records:
            by_state.setdefault(state_id(self._rules.name, self._rules.key(record)), []).append(record)
        found = self._load(list(by_state), session)
        self._write({id: self._folded(id, found.get(id), each) for id, each in by_state.items()}, session)

    @outside_bound_session
    def _load(self, ids: list[str], session: ClientSession) -> dict[str, Document]:
        return {each["_id"]: each for each in self._states.find({"_id": {"$in": ids}}, session=session)}

    def _folded(self, id: str, found: Document | None, records: list[Record[Any]]) -> RawBSONDocument | None:
        """Returns what is to be written; None when the state has all of these records already."""
        state = self._rules.begin()
        if found is not None:
            records, state = self._new(found, records), found.get("state")
        if not records:
            return None
        for record in records:
            state = self._rules.fold(state, record)
        return self._rules.document(key_of(self._rules.name, id), state, records[-1])

    def _new(self, found: Document, records: list[Record[Any]]) -> list[Record[Any]]:
        """Returns those that the state does not have yet: the position was moved back, or the state is newer than it.

        A state of another log has none of them, whatever their numbers.
        """
        seq = whole(found.get("seq"), 1, HIGHEST_SEQ)
        if seq is None or found.get("state") is None:
            raise InvalidState(
                f"the document {found['_id']!r} of {self._states.full_name} is no state that a projection has written: "
                "rebuild() makes it anew"
            )
        if records[0].seq > seq:
            return records
        last = self._outbox.log.record_at(seq)
        if last is None or last.id != found.get("id"):
            return records
        return [record for record in records if record.seq > seq]

    @outside_bound_session
    def _write(self, documents: dict[str, RawBSONDocument | None], session: ClientSession) -> None:
        writes: list[ReplaceOne[Any]] = [
            ReplaceOne({"_id": id}, document, upsert=True) for id, document in documents.items() if document is not None
        ]
        if writes:
            self._states.bulk_write(writes, ordered=False, session=session)
