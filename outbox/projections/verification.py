"""Makes the states of a projection once more, in memory, and compares."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any, cast

import bson
import pymongo
from pymongo.client_session import ClientSession

from outbox.delivery.ports import OpenOutbox
from outbox.errors import HistoryLost, ProjectionDiffers, UnknownReader
from outbox.log.reader_id import described
from outbox.log.record import Record
from outbox.mongo.calls import outside_bound_session
from outbox.mongo.codec import DECODED, Document
from outbox.projections.config import ProjectionConfig
from outbox.projections.differences import difference
from outbox.projections.history import wanted_records
from outbox.shares.layout import ShareLayout, load, survey
from outbox.shares.share import shares
from outbox.shares.states import key_of, state_id, states_of

Reached = Callable[[Record[Any]], bool]


class Verification:
    """One comparison, for one thread. Raises pymongo's errors; it changes nothing, whatever it raises."""

    def __init__(self, outbox: OpenOutbox, config: ProjectionConfig) -> None:
        self._outbox = outbox
        self._config = config
        self._rules = config.rules
        self._made: dict[str, tuple[Any, Record[Any]]] = {}
        """By the id of the state, what it comes to, and its last record."""
        self._next = 1

    @outside_bound_session
    def run(self) -> None:
        """Raises ProjectionDiffers at the first difference, in the order of the states' ids; UnknownReader before the
        first start, HistoryLost when the log no longer holds all that the states are made of, and what the program's
        functions raise."""
        header, reader = self._config.header.load(), self._config.reader
        if header is None:
            raise UnknownReader(f"{described(reader)} of {self._config.where} has not begun: run() it first")
        self._next = header.since
        collections = self._outbox.collections
        slowest = load(collections, reader).slowest
        self._replay(0 if slowest is None else slowest[0], lambda _: True)
        # What has come since, which is little, and the states are of one moment.
        with collections.client.start_session(snapshot=True) as session:
            layout = survey(collections, reader, session)
            self._replay(max((each[0] for each in layout.positions if each), default=0), self._reached(layout))
            self._compare(session)

    def _replay(self, last: int, is_reached: Reached) -> None:
        """Applies the records from where the last call ended up to seq `last`."""
        if last < self._next:
            return
        try:
            for record in wanted_records(self._config, self._next, last):
                self._apply(record, is_reached)
        except HistoryLost as lost:
            reader_is = described(self._config.reader)
            lost.add_note(f"{reader_is} is made of more than the log holds, so that it cannot be verified")
            raise
        self._next = last + 1

    def _apply(self, record: Record[Any], is_reached: Reached) -> None:
        if not is_reached(record):
            return
        id = state_id(self._rules.name, self._rules.key(record))
        state = self._made[id][0] if id in self._made else self._rules.begin()
        self._made[id] = self._rules.fold(state, record), record

    def _reached(self, layout: ShareLayout) -> Reached:
        """Tells of a record whether its share has come to it."""
        each = [self._config.share(share) for share in shares(layout.total)]
        far = [0 if position is None else position[0] for position in layout.positions]

        def is_reached(record: Record[Any]) -> bool:
            return any(record.seq <= seq and share.chosen([record]) for share, seq in zip(each, far, strict=True))

        return is_reached

    def _compare(self, session: ClientSession) -> None:
        states = self._outbox.collections.states
        with states.find(states_of(self._rules.name), sort=[("_id", pymongo.ASCENDING)], session=session) as documents:
            for id, found in _side_by_side(sorted(self._made), documents):
                expected = self._expected(id) if id in self._made else None
                differs = difference(expected, None if found is None else found.get("state"))
                if differs is None:
                    continue
                key, (path, one, other) = key_of(self._rules.name, id), differs
                at = f", at {path}" if path else ""
                raise ProjectionDiffers(
                    f"the state {id!r} of {states.full_name} is not what the log makes{at}: it should be {one!r:.200}, "
                    f"and is {other!r:.200}. rebuild() makes it anew",
                    key,
                    path,
                    one,
                    other,
                )

    def _expected(self, id: str) -> Any:
        state, last = self._made[id]
        document = self._rules.document(key_of(self._rules.name, id), state, last)
        return bson.decode(cast("Any", document).raw, DECODED)["state"]


def _side_by_side(ids: list[str], documents: Iterable[Document]) -> Iterator[tuple[str, Document | None]]:
    """Gives every id of either, in order, with its document: None where there is none."""
    waiting = deque(ids)
    for document in documents:
        while waiting and waiting[0] < document["_id"]:
            yield waiting.popleft(), None
        if waiting and waiting[0] == document["_id"]:
            waiting.popleft()
        yield document["_id"], document
    for id in waiting:
        yield id, None
