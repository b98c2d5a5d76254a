"""Replaces the states in use by those that were made beside them, as soon as these have come as far."""

from __future__ import annotations

from itertools import islice
from typing import Any

from bson import Int64
from pymongo.client_session import ClientSession
from pymongo.errors import PyMongoError

from outbox.consumers.in_transaction import Effect, InTransaction, WithEffects
from outbox.consumers.in_turn import Terms
from outbox.errors import CursorMismatch, DeliveryFailed, Superseded, Verdict
from outbox.log.position import Position
from outbox.log.reader_id import described
from outbox.log.record import Record
from outbox.mongo.calls import outside_bound_session, time_limit, transact
from outbox.mongo.codec import Document
from outbox.mongo.server_errors import is_transient, short_message
from outbox.projections.config import RebuildConfig
from outbox.projections.header import Header, HeaderStore
from outbox.projections.history import wanted_records
from outbox.shares.layout import ShareLayout, cursors_of, documents_of, load, survey
from outbox.shares.reader_logger import ReaderLogger
from outbox.shares.states import states_of

SWAP_SECONDS = 55.0
"""The time for one swap; the server ends a transaction after a minute."""
LOOK_SECONDS = 0.1
MOST_BEHIND = 500
"""So many records the new states may lack, which are applied within the swap."""
_PORTION = 100  # of up to 16 MiB each, but a state a key is small


class _CannotApplyError(Exception):
    """Ends a swap whose records the program fails at."""


class Swap:
    """Puts the new states in the place of those in use: all of them and the position, in one transaction, or nothing.

    It takes no lease of those in use. Whoever works on them goes on: their transactions conflict with this one, are
    tried again, and find states that have their records already. So the new ones must be as far, at least: what little
    they lack is applied within the swap, for those in use never stand still while messages come.

    effect: of the new states.
    """

    def __init__(self, config: RebuildConfig, effect: Effect) -> None:
        self._config = config
        self._effect = effect
        self._collections = collections = config.outbox.collections
        self._live = live = config.live
        self._beside = config.header
        self._log = ReaderLogger(live.reader, collections.log.full_name)

    def attempt(self, delivery: WithEffects) -> bool:
        """Swaps if the new states, whose cursor `delivery` holds, are nearly as far, or further; False if they are not.

        Raises CursorMismatch when the projection was forgotten meanwhile, Superseded when its states are of a newer
        version by now, LeaseLost, and pymongo's errors.
        """
        new = load(self._collections, self._beside.reader).slowest
        old = load(self._collections, self._live.reader)
        if new is None or _furthest(old)[0] - new[0] > MOST_BEHIND:
            return False
        try:
            with time_limit(SWAP_SECONDS):
                reached = transact(delivery.session(), lambda session: self._swap(delivery, session))
        except _CannotApplyError:
            return False
        if reached is not None:
            self._log.info("its states were made anew up to seq %d, and are in use now", reached)
        return reached is not None

    @outside_bound_session
    def _swap(self, delivery: WithEffects, session: ClientSession) -> int | None:
        # First, so that nothing is committed between what this transaction sees and what it locks.
        self._collections.cursors.update_many(cursors_of(self._live.reader), {"$inc": {"swaps": 1}}, session=session)
        delivery.hold(session)
        new, header = delivery.cursors.load(session), self._header(session)
        old = survey(self._collections, self._live.reader, session)
        if new is None or None in old.positions or _furthest(old)[0] - new[0] > MOST_BEHIND:
            return None
        position = max(new, _furthest(old), key=lambda position: position[0])
        self._move(position, session)
        lacking = list(wanted_records(self._config, new[0] + 1, position[0]))
        if lacking:
            self._apply(lacking, session)
        self._live.replace(header, session)
        states, name = self._collections.states, self._name(self._live)
        states.delete_many(states_of(name), session=session)
        self._copy(session)
        states.delete_many(states_of(self._name(self._beside)), session=session)
        self._collections.cursors.delete_many(documents_of(self._beside.reader), session=session)
        return position[0]

    def _apply(self, lacking: list[Record[Any]], session: ClientSession) -> None:
        try:
            self._effect(lacking, session)
        except (PyMongoError, Superseded):
            raise
        except Exception as error:  # the worker meets it again, and finds the record to blame
            raise _CannotApplyError from error

    def _header(self, session: ClientSession) -> Header:
        old, new = self._live.load(session), self._beside.load(session)
        if old is None or new is None:
            raise CursorMismatch(
                f"the cursor of {described(self._live.reader)} was removed while its states were made anew"
            )
        if old.version > new.version:
            raise Superseded(f"{described(self._live.reader)} has states of version {old.version} by now")
        return new

    def _move(self, position: Position, session: ClientSession) -> None:
        """Moves the position of the states in use, of each share.

        The count always changes, so that the server sees the conflict with every other transaction of the projection.
        """
        seq, created, id = position
        change: Document = {
            "$set": {"seq": Int64(seq), "created": created, "id": id},
            "$currentDate": {"updated": True},
            "$inc": {"swaps": Int64(1)},
        }
        self._collections.cursors.update_many(cursors_of(self._live.reader), change, session=session)

    def _copy(self, session: ClientSession) -> None:
        states, old, new = self._collections.states, self._name(self._live), self._name(self._beside)
        with states.find(states_of(new), session=session) as found:
            while found.alive and (first := next(found, None)) is not None:
                portion = [first, *islice(found, _PORTION - 1)]
                renamed = [{**state, "_id": old + state["_id"][len(new) :]} for state in portion]
                states.insert_many(renamed, session=session)

    def _name(self, header: HeaderStore) -> str:
        return header.reader.partition(":")[2]


def _furthest(layout: ShareLayout) -> Position:
    """Returns the position of the share that is furthest; one without a cursor has none."""
    return max(filter(None, layout.positions), key=lambda position: position[0], default=(0, None, None))


class MadeAnew(InTransaction):
    """Is a target whose states are beside those in use until `swap` succeeds: then `poll` raises Superseded."""

    def __init__(self, effect: Effect, batch: int, terms: Terms, swap: Swap) -> None:
        super().__init__(effect, batch, terms)
        self._swap = swap
        self._look_at = 0.0

    def poll(self, seconds: float) -> None:
        """See InTransaction. Raises Superseded when the states are in use."""
        super().poll(seconds)
        now, delivery = self._terms.clock.monotonic(), self.delivery
        if not isinstance(delivery, WithEffects) or now < self._look_at or self._terms.stop.is_set():
            return
        try:
            if self._swap.attempt(delivery):
                raise Superseded("the states that were made anew are in use")
        except PyMongoError as error:
            if not is_transient(error):
                raise
            raise DeliveryFailed(None, Verdict.RETRY, short_message(error)) from error
        self._look_at = self._terms.clock.monotonic() + LOOK_SECONDS
