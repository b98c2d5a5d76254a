"""Which share a record belongs to, and what was delivered when there were more shares, or fewer."""

from __future__ import annotations

from collections import Counter

import pytest
from bson import ObjectId
from hypothesis import given
from hypothesis import strategies as st

from outbox.arguments import MOST_SHARES
from outbox.shares.share import Share, key_hash, shares, still_needed

ID = bytes(range(12))
KEYS = st.none() | st.text()
IDS = st.binary(min_size=12, max_size=12)


@pytest.mark.parametrize(
    ("key", "expected"), [("", 0), ("123456789", 0xCBF43926), ("a", 0xE8B7BE43), ("Zoë", 1739342378)]
)
def test_the_hash_is_crc_32_of_the_keys_utf_8(key: str, expected: int) -> None:
    assert key_hash(key, ID) == expected


def test_without_a_key_it_is_that_of_the_message_id() -> None:
    assert key_hash(None, b"123456789\0\0\0") != key_hash(None, ID)
    assert key_hash(None, ID) == 0x9270C965


@given(KEYS, IDS, st.integers(1, MOST_SHARES))
def test_every_record_belongs_to_exactly_one_share(key: str | None, id: bytes, of: int) -> None:
    assert [share.takes(key, id, 1) for share in shares(of)].count(True) == 1


@pytest.mark.parametrize("of", [2, 3, 4, 7, 8, 16])
@pytest.mark.parametrize("key", [str, "customer-{:06}".format, lambda n: None], ids=["numbers", "names", "no key"])
def test_keys_spread_evenly(of: int, key: object) -> None:
    assert callable(key)
    found = Counter(key_hash(key(n), ObjectId().binary) % of for n in range(20_000))

    assert max(found.values()) < 1.15 * min(found.values())


def test_all_of_one_share_is_everything_unless_something_was_delivered_before() -> None:
    assert Share().is_all
    assert not Share(1, 1, ((5, 9),)).is_all
    assert not Share(1, 2).is_all


@given(KEYS, IDS, st.integers(1, 30), st.lists(st.lists(st.integers(0, 30), min_size=1, max_size=8), max_size=3))
def test_what_the_share_of_another_number_had_delivered_is_not_taken_again(
    key: str | None, id: bytes, seq: int, layers: list[list[int]]
) -> None:
    before = [seq <= layer[key_hash(key, id) % len(layer)] for layer in layers]

    assert Share(1, 1, tuple(map(tuple, layers))).takes(key, id, seq) is not any(before)


def test_layers_that_end_before_a_seq_are_of_no_use_any_more() -> None:
    assert still_needed([(3, 9), (8, 8), (1, 2, 10)], 9) == ((1, 2, 10),)


def test_one_share_is_called_as_the_relay_is() -> None:
    assert [each.name("kafka") for each in shares(1)] == ["kafka"]
    assert [each.name("kafka") for each in shares(2)] == ["kafka/1", "kafka/2"]
