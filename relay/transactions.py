"""The port to a broker with transactions: what exactly-once delivery needs beyond relay.sink.Sink."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol, runtime_checkable

from relay.sink import Outgoing, Sink


@runtime_checkable
class Transactions(Sink, Protocol):
    """A sink whose records become readable together with a cursor, a text that is stored beside them: both or neither.

    Atomicity: a reader that asks for what is committed sees the records of a transaction, and the cursor stored by it,
    or none of both. `acknowledged` is called for a record when it is committed, no sooner.

    Fencing: of those who took over under one name only the last can commit. What an earlier one had not committed by
    then is never committed.

    Life: `take_over`, then `store` if wanted, then `open`, `send` and `poll`, and `close`; then `take_over` again.
    `poll` commits when enough has been sent, or nothing since the last `poll`, and may take a second for it beyond
    its time. After DeliveryFailed it may be unknown whether the last transaction was committed: `take_over` tells.
    """

    def another(self) -> Transactions:
        """See Sink.another."""

    def take_over(self, name: str, cursor: Callable[[Outgoing], str]) -> str | None:
        """Ends what others have under way as `name`, then reads the cursor committed last; None: there is none.

        `cursor` gives the cursor to be stored with a transaction, from the last of its records. Blocks up to about
        10 s. Raises DeliveryFailed when no broker answers, DeliveryRefused for a missing right.
        """

    def stored(self, name: str) -> Mapping[str, str]:
        """The cursors committed last of `name` itself and of its shares, which are `name/1` and so on, by their names.

        Called after `take_over`, before `open`. Blocks and raises as `take_over`.
        """

    def store(self, cursor: str) -> None:
        """Commits a cursor alone, before `open`. Blocks up to about 5 s. Raises DeliveryFailed."""
