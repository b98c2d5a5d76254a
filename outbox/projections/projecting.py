"""Makes projections of an outbox."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeVar, cast, overload
from weakref import WeakSet

from outbox.events import OnEvent
from outbox.history.with_history import with_history
from outbox.log.record import Record
from outbox.messages.message_types import Key, MessageTypes
from outbox.projections.projection import Projection
from outbox.readers.query import History, asked

if TYPE_CHECKING:
    from outbox.delivery.ports import OpenOutbox

M = TypeVar("M")
S = TypeVar("S")
By = Literal["key"] | Callable[[Record[Any]], Key | None]


class Projecting(ABC):
    """Is the part of an outbox that makes projections. It has no instances of its own: see outbox.reading.Reading."""

    _types: MessageTypes
    _consumers: WeakSet[Any]

    @abstractmethod
    def check_usable(self) -> None:
        """Raises OutboxClosed once it is closed, or in a process that was forked."""

    @overload
    def projection(
        self,
        name: str,
        *,
        apply: Callable[[S, Record[M]], S],
        initial: Callable[[], S],
        types: Sequence[type[M]],
        by: By | None = None,
        snapshot_every: int = 1000,
        version: int = 1,
        shares: int | None = None,
        on_event: OnEvent | None = None,
        archive: History | None = None,
    ) -> Projection[S]: ...
    @overload
    def projection(
        self,
        name: str,
        *,
        apply: Callable[[S, Record[Any]], S],
        initial: Callable[[], S] = ...,
        types: Sequence[str | type[Any]] | None = None,
        by: By | None = None,
        snapshot_every: int = 1000,
        version: int = 1,
        shares: int | None = None,
        on_event: OnEvent | None = None,
        archive: History | None = None,
    ) -> Projection[S]: ...
    def projection(
        self,
        name: str,
        *,
        apply: Callable[[Any, Record[Any]], Any],
        initial: Callable[[], Any] = dict,
        types: Sequence[str | type[Any]] | None = None,
        by: By | None = None,
        snapshot_every: int = 1000,
        version: int = 1,
        shares: int | None = None,
        on_event: OnEvent | None = None,
        archive: History | None = None,
    ) -> Projection[Any]:
        """Makes a projection: states in `NAME.states`, made of messages, and stored with the position under its name.

        initial: returns the first state, of values that BSON has; called once, here. apply: returns the state after a
            record; what it returns depends on nothing but the two, and it may change the state that it is given.
        types: which messages, as for `observe`. by: a state a key, by the message's "key", or by what a function makes
            of the record: a text, int, ObjectId or UUID. Messages with None have one state together.
        snapshot_every: the most records in one transaction; what waits is applied at once, 500 at most.
        version: a higher one than that of the states has them made anew, for another `apply`, `initial`, `types` or
            `by`.
        shares, on_event: as for `consumer`; shares only with `by`.
        archive: as for `observe`: states are made, made anew and verified of what it has, and then of the log.

        Asks no server. Raises InvalidProjection, InvalidName, InvalidSelector and UnknownMessage."""
        self.check_usable()
        made: Projection[Any] = Projection(
            with_history(cast("OpenOutbox", self), archive),
            name,
            asked(self._types, "earliest", types, None, "error"),
            self._types.decode,
            initial=initial,
            apply=apply,
            by=by,
            snapshot_every=snapshot_every,
            version=version,
            shares=shares,
            on_event=on_event,
        )
        self._consumers.add(made)
        return made
