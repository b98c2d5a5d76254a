"""A projection: states made of an outbox's messages, each applied once, and remembered with the position."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Generic, Literal, TypeVar

import pymongo

from outbox.arguments import MOST_SHARES, check_function, check_timeout
from outbox.clock import SystemClock
from outbox.consumers.caught_up import CaughtUpWait
from outbox.consumers.one_run import OneRun
from outbox.delivery.ports import OpenOutbox
from outbox.errors import InvalidName, InvalidProjection, WaitTimeout
from outbox.events import OnEvent
from outbox.location import has_come
from outbox.log.reader_id import reader_id
from outbox.log.record import Decode
from outbox.messages.message_types import Key
from outbox.mongo.calls import outside_bound_session, time_limit
from outbox.mongo.server_errors import patient
from outbox.projections.rules import Apply, rules
from outbox.projections.verification import Verification
from outbox.projections.work import Work
from outbox.readers.query import Query
from outbox.readers.selection import selected_key
from outbox.shares import cursor_admin
from outbox.shares.layout import load
from outbox.shares.states import BESIDE, key_of, state_id, states_of

S = TypeVar("S")

_PAGE = 500


class Projection(Generic[S]):
    """Keeps states that are made of an outbox's messages; made by Outbox.projection.

    Cold until it is run. Of all the processes that run a projection of this name one works, or one for each share, and
    the others stand by. None keeps a state: each transaction reads the states that it changes, and writes them with
    the position, so that every message is in them once, whatever crashes. While it has a position, also when nothing
    runs, the log rolls over nothing that it has not applied.

    A message that `apply` fails at three times stops it with PoisonMessage, and so does a state that MongoDB cannot
    keep: with that message left out the state would be wrong for ever. An error of MongoDB that passes by itself is
    waited for.

    Thread-safe; one `run` at a time.
    """

    def __init__(
        self,
        outbox: OpenOutbox,
        name: str,
        query: Query,
        decode: Decode,
        *,
        initial: Callable[[], S],
        apply: Apply,
        by: object,
        snapshot_every: int,
        version: int,
        shares: int | None,
        on_event: OnEvent | None,
    ) -> None:
        self.name = name
        self.id = reader_id("projection", name)
        """What its cursor and its lease are called, and `outbox readers`, `find` and `wait_for`."""
        if name.endswith(BESIDE):
            raise InvalidName(f"{name!r} is what states that are made anew are called: give another name")
        _check_whole("snapshot_every", snapshot_every, None)
        if shares is not None:
            _check_whole("shares", shares, MOST_SHARES)
        if shares not in (None, 1) and by is None:
            raise InvalidProjection(f"shares={shares} without by=: one state cannot be divided, give a state a key")
        if on_event is not None:
            check_function("on_event", on_event, "an event", InvalidProjection)
        self._outbox = outbox
        self._work = Work(
            outbox, rules(name, initial, apply, by, version), query, decode, shares, snapshot_every, on_event
        )
        self._runs, self._rebuilds = OneRun(self.id, InvalidProjection), OneRun(self.id + BESIDE, InvalidProjection)

    def run(self, stop: threading.Event | None = None) -> None:
        """Applies records as they come. Blocks.

        It goes on until `stop` is set, `self.stop()` is called, the outbox is closed, or the program ends. Then nothing
        more is begun, and the transaction that runs is waited for.

        States of a lower version are made anew first, beside those in use, which others may go on with; while they are
        of a higher one, it stands by, with a warning.

        `apply` is called on this thread; with several shares on one for each that this process works on.

        Raises InvalidProjection, what must be seen to by somebody (PoisonMessage, HistoryLost, LogReplaced,
        CursorMismatch, OutboxNotCreated), and errors of the database that do not pass by themselves.
        """
        self._outbox.check_usable()  # first: in a process that was forked, the parent's run seems to go on
        with self._runs.begin(stop) as stopping:
            self._work.run(stopping)

    def rebuild(self, stop: threading.Event | None = None) -> bool:
        """Makes all states anew, beside those in use, and replaces these once the new ones are as far. Blocks.

        Meanwhile `run`, here or elsewhere, goes on with those in use, and `state` gives them. The replacement is one
        transaction, so that it has to be done within a minute. When another process is at it already, its states are
        waited for; what a process that died has left is begun anew.

        Returns False when `stop`, or `self.stop()`, came first: then nothing has changed. Raises UnknownReader before
        the first `run`; HistoryLost when the log no longer holds all that the states are made of, and nothing has
        changed; InvalidProjection when they are of a newer version; and what `run` raises.
        """
        self._outbox.check_usable()
        with self._rebuilds.begin(stop) as stopping:
            return self._work.rebuild(stopping)

    def verify(self) -> None:
        """Makes all states once more, in memory, from the log, and compares. Blocks; others may run meanwhile.

        Raises ProjectionDiffers, which names the first difference, in the order of the keys; UnknownReader before the
        first `run`; HistoryLost when the log no longer holds all that the states are made of; what `apply` raises; and
        pymongo's errors.
        """
        Verification(self._outbox, self._work.live()).run()

    @outside_bound_session
    @patient
    def state(self, key: Key | None = None) -> S | None:
        """Returns the state of a key; None when there is none. With `by`, that of the messages without one for None.

        It is what was committed last: it may be a little behind the log, see `wait_caught_up`. Raises InvalidSelector
        for what can be no key, and pymongo's errors.
        """
        id = state_id(self.name, selected_key(key))
        with time_limit():
            found = self._outbox.collections.states.find_one({"_id": id}, {"state": 1})
        return None if found is None else found.get("state")

    @outside_bound_session
    def states(self) -> Iterator[tuple[str | None, S]]:
        """Gives each key with its state, in the order of the keys, as the server sends them.

        Each is as it was when it was sent: one that changes meanwhile is old or new, and those that a rebuild replaces
        meanwhile may be of both. Raises pymongo's errors, while iterating.
        """
        return self._streamed()

    @outside_bound_session
    @patient
    def page(self, after: str | None) -> list[tuple[str, S]]:
        """Returns the next states, some hundreds, by the `_id`s of their documents; none when there are no more.

        after: the last `_id` of the page before. For whoever cannot hold a cursor. Raises pymongo's errors.
        """
        wanted = states_of(self.name)
        if after is not None:
            wanted = {"_id": {**wanted["_id"], "$gt": after}}
        with time_limit():
            found = self._outbox.collections.states.find(wanted, {"state": 1}, sort=[("_id", 1)], limit=-_PAGE)
            return [(each["_id"], each["state"]) for each in found]

    def _streamed(self) -> Iterator[tuple[str | None, S]]:
        states = self._outbox.collections.states
        with states.find(states_of(self.name), {"state": 1}, sort=[("_id", pymongo.ASCENDING)]) as found:
            for each in found:
                yield key_of(self.name, each["_id"]), each["state"]

    def stop(self) -> None:
        """Ends what runs, also a rebuild, as their `stop`. Does not wait; does nothing when nothing runs."""
        self._runs.stop()
        self._rebuilds.stop()

    @property
    def is_running(self) -> bool:
        """Tells whether it runs in this process, or waits for its turn."""
        return self._runs.is_running

    def join(self, seconds: float) -> None:
        """Waits until nothing runs any more, `seconds` at most for each; not at all on a thread that runs it."""
        self._runs.join(seconds)
        self._rebuilds.join(seconds)

    @outside_bound_session
    def wait_caught_up(self, timeout: float = 5.0) -> None:
        """Returns when all that was committed before the call is in the states, and these are of this version.

        timeout: seconds. Raises WaitTimeout, which says how far it is, and errors that do not pass by themselves.
        """
        check_timeout(timeout)
        clock = SystemClock()
        until = clock.monotonic() + timeout
        if not has_come(self.is_made, timeout, clock):
            raise self.not_made(timeout)
        CaughtUpWait(self._outbox.collections, self.id, clock).run(max(0.0, until - clock.monotonic()))

    def not_made(self, seconds: float) -> WaitTimeout:
        """Makes the error of who has waited so long for states of this version."""
        return WaitTimeout(f"{self.id} has no states of version {self._work.rules.version} within {seconds:g} s")

    @outside_bound_session
    def is_made(self) -> bool:
        """Tells whether the states are of this version, or a higher one, or not begun. Raises pymongo's errors."""
        header = self._work.header.load()
        return header is None or header.version >= self._work.rules.version

    @outside_bound_session
    @patient
    def position(self) -> int | None:
        """Returns the seq up to which all is applied, of the share furthest behind; None before the first start."""
        slowest = load(self._outbox.collections, self.id).slowest
        return None if slowest is None else slowest[0]

    def reset(self, to: Literal["earliest", "latest"] | int | datetime) -> int:
        """Sets the position, and returns it: the record after seq `to` comes next. The states stay as they are.

        Forward leaves records out for good, such as one that `apply` cannot take. Back repeats nothing: what a state
        has, is not applied to it again; `rebuild` makes it anew.

        to: a seq; a date, whose first record comes next; "earliest" for all that the log keeps; "latest" for nothing of
            it. Raises CursorInUse while it is run anywhere, InvalidStart, and pymongo's errors.
        """
        if isinstance(to, bool) or (not isinstance(to, (int, datetime)) and to not in ("earliest", "latest")):
            raise InvalidProjection(f"reset({to!r}): give a seq, a datetime, 'earliest' or 'latest'")
        return cursor_admin.move(self._outbox.collections, self.id, to, SystemClock())[1][0]

    def forget(self) -> bool:
        """Removes the position and the states, also those being made anew; False when there was no position.

        The next run begins with the oldest record that the log holds. Raises CursorInUse while it is run anywhere.
        """
        collections, clock = self._outbox.collections, SystemClock()
        cursor_admin.forget(collections, self.id + BESIDE, clock)
        return cursor_admin.forget(collections, self.id, clock)


def _check_whole(name: str, value: object, most: int | None) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1 or (most is not None and value > most):
        limit = "1 or more" if most is None else f"1 to {most}"
        raise InvalidProjection(f"{name}={value!r}: give a whole number, {limit}")
