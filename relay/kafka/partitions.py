"""Chooses partitions by a text that is not the record's key, as Kafka's clients choose them by the key."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

BY_KEY = -1
"""Stands for the partition that librdkafka chooses itself."""
_MULTIPLIER, _SEED, _WORD = 0x5BD1E995, 0x9747B28C, 0xFFFFFFFF


class Partitions:
    """Knows how many partitions topics have. Not thread-safe.

    count: asks Kafka, once for each topic. Raises what that raises.
    """

    def __init__(self, count: Callable[[str], int]) -> None:
        self._count = count
        self._counts: dict[str, int] = {}

    def of(self, topic: str, text: str) -> int:
        """Returns the partition of a topic in which a record with this key would be."""
        count = self._counts.get(topic)
        if count is None:
            count = self._counts[topic] = self._count(topic)
        return (_hash(text) & 0x7FFFFFFF) % count

    def forget(self) -> None:
        """Asks anew when the next records come: a topic may have been made with others."""
        self._counts.clear()


@lru_cache(maxsize=10_000)
def _hash(text: str) -> int:
    return murmur2(text.encode())


def murmur2(key: bytes) -> int:
    """Hashes as Java's clients do, and librdkafka's partitioner `murmur2`."""
    found = _SEED ^ len(key)
    whole = len(key) & ~3
    for at in range(0, whole, 4):
        word = int.from_bytes(key[at : at + 4], "little") * _MULTIPLIER & _WORD
        word = (word ^ word >> 24) * _MULTIPLIER & _WORD
        found = found * _MULTIPLIER & _WORD ^ word
    if rest := key[whole:]:
        found = (found ^ int.from_bytes(rest, "little")) * _MULTIPLIER & _WORD
    found = (found ^ found >> 13) * _MULTIPLIER & _WORD
    return found ^ found >> 15
