"""The port to a broker: where a relay's records go. relay.kafka and relay.testing have the adapters."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Protocol

Headers = list[tuple[str, str]]
Outgoing = tuple[int, str, str | None, bytes | None, Headers]
"""`(seq, topic, key, value, headers)`. A plain tuple, for it is made once a record on the hot path."""


class Sink(Protocol):
    """Delivers records to topics, at least once and in order.

    Order: records of one topic and one key arrive in the order they were sent in. When one of them fails, none sent
    after it with the same topic and key arrives.

    Threads: every method is called by one thread at a time. Acknowledgements come on the calling thread, inside
    `poll` only.

    Several: the shares of a relay have one each, made by `another`; they know nothing of each other.

    Life: `open`, then `send` and `poll` as often as one likes, then `close`; and `open` again, as often as needed.
    """

    def another(self) -> Sink:
        """One more with the same settings, not open."""

    def check(self, topics: Collection[str]) -> None:
        """Raises TopicMissing if one of them cannot be written to, Unreachable if no broker answers.

        May create them, if the sink was told to. Works whether the sink is open or not. Blocks at most about 15 s.
        """

    def open(self, acknowledged: Callable[[int], object]) -> None:
        """Gets ready. `acknowledged(seq)` will be called for every record that is durably delivered, in any order."""

    def send(self, batch: Sequence[Outgoing]) -> int:
        """Accepts records, the first ones first, and says how many: fewer than given when it is full (then `poll`).

        Never blocks. What it holds is bounded in records and bytes. Raises DeliveryFailed for a record that it can
        tell will never be delivered; the ones before it were accepted.
        """

    def poll(self, seconds: float) -> None:
        """Waits up to `seconds` for acknowledgements and hands them out; returns sooner when there are some.

        Raises DeliveryFailed when an accepted record was not delivered and will not be. The sink must then be closed.
        A broker that is away is no failure: the records are kept and sent when it is back.
        """

    def close(self) -> None:
        """Drops what is not delivered yet, without waiting, and releases everything. Nothing is acknowledged after.

        What had already left for the broker may still arrive there. Closing twice does nothing.
        """
