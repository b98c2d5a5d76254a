"""Partitions by a text that is not the record's key."""

from __future__ import annotations

from collections import Counter

import pytest

from relay.kafka.partitions import Partitions, murmur2


@pytest.mark.parametrize(
    ("key", "signed"),
    [
        (b"21", -973932308), (b"foobar", -790332482), (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829), (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        (b"abc", 479470107),
    ],
)  # fmt: skip
def test_the_hash_is_the_one_of_kafka_s_own_tests(key: bytes, signed: int) -> None:
    assert murmur2(key) == signed & 0xFFFFFFFF


def test_a_topic_is_asked_about_once_until_that_is_forgotten() -> None:
    counts, asked = {"a": 3, "b": 5}, Counter[str]()

    def count(topic: str) -> int:
        asked[topic] += 1
        return counts[topic]

    partitions = Partitions(count)
    for text in map(str, range(50)):
        assert partitions.of("a", text) == (murmur2(text.encode()) & 0x7FFFFFFF) % 3
        partitions.of("b", text)
    assert asked == {"a": 1, "b": 1}

    counts["a"] = 1
    partitions.forget()

    assert {partitions.of("a", text) for text in map(str, range(50))} == {0}
