"""The compiled encoder and whole batches: the same as the decoding path makes, or nothing, and never a crash."""

from __future__ import annotations

import random

import bson
import pytest
from bson import Decimal128, Int64
from hypothesis import given
from hypothesis import strategies as st

from outbox import LogCorrupt
from outbox.log.batch import Batch
from outbox.shares.share import ALL, Share
from relay.encoding.encoder import Encoder
from relay.encoding.values import Form
from tests.doubles.batches import CREATED, ID, LOG, batch_of, record
from tests.doubles.encoders import FORMS, RECORDS, assert_plain, both_ways

pytestmark = pytest.mark.usefixtures("native")


@given(st.lists(RECORDS, min_size=1, max_size=4), st.integers(1, 2**61), st.sampled_from(FORMS))
def test_whatever_is_in_a_batch_comes_out_the_same_or_is_left_to_python(
    records: list[tuple[bytes, bytes]], first: int, form: Form
) -> None:
    compiled, decoded = both_ways(batch_of(*records, first=first), form=form)

    assert compiled is None or compiled == decoded


def test_records_before_the_position_are_left_out() -> None:
    batch = batch_of(*(record({"n": n}) for n in range(12)), first=5)

    for skip in range(12):
        compiled, decoded = both_ways(batch._replace(skip=skip))
        assert compiled == decoded
        assert compiled is not None
        assert [each[0] for each in compiled[0]] == list(range(5 + skip, 17))
    for skip in (-1, 12, 13):
        assert Encoder(str, LOG).encode_plain(batch._replace(skip=skip), ALL) is None


def test_a_full_batch_of_all_that_may_change_from_record_to_record() -> None:
    records = [
        record(
            None if n % 7 == 0 else {"n": n, "text": "x" * n},
            type="note" if n % 3 else "order",
            key=None if n % 5 == 0 else f"key {n}",
            created=CREATED + n // 4,
            **({"tenant": f"t{n // 10}", "b": "ü"} if n % 11 else {}),
        )
        for n in range(500)
    ]

    assert_plain(batch_of(*records, first=2**53))


def test_what_does_not_follow_the_logs_layout_is_left_to_python() -> None:
    plain = batch_of(record({"a": 1}), record({"a": 2}))
    encoder = Encoder(str, LOG)
    encoder.encode(plain.records())
    assert encoder.encode_plain(plain, ALL) is not None
    for old, new in [
        (b"\x07id\0", b"\x07di\0"), (b"\x09created\0", b"\x09Created\0"), (b"\x02type\0", b"\x02Type\0"),
        (b"\x02key\0", b"\x02kex\0"), (b"\x03headers\0", b"\x03Headers\0"), (b"\x03data\0", b"\x04data\0"),
        (b"\x12last\0", b"\x12lost\0"), (b"\x04records\0", b"\x03records\0"), (b"\x031\0", b"\x032\0"),
    ]:  # fmt: skip
        assert old in plain.raw
        assert encoder.encode_plain(plain._replace(raw=plain.raw.replace(old, new)), ALL) is None
    more = bson.encode({**bson.decode(plain.raw), "more": 1})
    for other in (b"", plain.raw[:-1], plain.raw + b"\0", more):
        assert encoder.encode_plain(plain._replace(raw=other), ALL) is None


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.value.__name__)
def test_broken_bytes_are_never_more_than_left_to_python(form: Form) -> None:
    """Each mutation of a batch gives what Python gives, or nothing; a crash would end the tests."""
    values = [{"a": "text", "b": [1, Int64(2), 2.5, None, True], "c": {"d": ID, "e": Decimal128("9.90")}}, {"f": b"ab"}]
    batch = batch_of(*(record(each, tenant="acme") for each in values))
    encoder = Encoder(str, LOG, lambda _: form)
    encoder.encode(batch.records())
    chance = random.Random(5)
    share = Share(1, 2, ((1, 2, 0),))
    for _ in range(7_000):
        broken = bytearray(batch.raw)
        for _ in range(chance.choice((1, 1, 1, 2, 5))):
            broken[chance.randrange(len(broken))] = chance.choice((0, 1, 0x7F, 0xFF, chance.randrange(256)))
        if chance.random() < 0.2:
            del broken[chance.randrange(len(broken)) :]
        mutated = Batch(batch.first, batch.last, 7, 3, bytes(broken))
        encoder.encode_plain(mutated, share)
        compiled = encoder.encode_plain(mutated, ALL)
        if compiled is not None and mutated.raw[4:17] == batch.raw[4:17]:  # the number is taken from the envelope
            outgoing, marks, error = encoder.encode(mutated.records())
            assert (compiled, error) == ([(outgoing, marks)], None)


def test_a_batch_of_no_known_layout_is_named_by_the_decoding_path() -> None:
    plain = batch_of(record({}))

    with pytest.raises(LogCorrupt):
        plain._replace(raw=plain.raw.replace(b"\x07id\0", b"\x07di\0")).records()
