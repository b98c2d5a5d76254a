"""The compiled encoder: byte for byte what the decoding path makes, or nothing at all."""

from __future__ import annotations

import random
import struct
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import bson
import pytest
from bson import Binary, Code, DBRef, Decimal128, Int64, MaxKey, MinKey, ObjectId, Regex, Timestamp
from bson.datetime_ms import DatetimeMS
from hypothesis import given
from hypothesis import strategies as st

from outbox import LogCorrupt
from outbox.log.batch import Batch
from outbox.log.batch import record as packed
from outbox.messages.limits import RESERVED_HEADERS
from relay.delivery.ports import Outgoing
from relay.encoding.encoder import Encoder, Mark
from relay.errors import PoisonMessage
from relay.shares.share import ALL, Share
from tests.anything import BSON_VALUES, DECIMALS, NAMES
from tests.doubles.batches import CREATED, ID, LOG, batch_of, datas, document, element, nested, raw, record

pytestmark = pytest.mark.usefixtures("native")

Encoded = tuple[list[Outgoing], list[Mark]]


def both_ways(batch: Batch, share: Share = ALL) -> tuple[Encoded | None, Encoded | Exception]:
    """What the compiled encoder and what the decoding one make of a batch whose types are known."""
    encoder = Encoder(lambda type: f"topic.{type}", LOG)
    encoder.encode(batch_of(record({}), record({}, type="note")).records())
    records = batch.records()
    outgoing, marks, error = encoder.encode(share.chosen(records))
    last = records[-1]
    if not marks or marks[-1][0] != last.seq:
        marks.append((last.seq, last.created_ms, last.id_bytes))
    return encoder.encode_plain(batch, share), error if error is not None else (outgoing, marks)


def assert_plain(batch: Batch, share: Share = ALL) -> None:
    compiled, decoded = both_ways(batch, share)
    assert compiled == decoded


RECORDS = st.builds(
    lambda data, type, key, created, headers: record(data, type=type, key=key, created=created, **headers),
    st.none() | st.dictionaries(NAMES, BSON_VALUES, max_size=5),
    st.sampled_from(["order", "note"]),
    st.none() | st.text(),
    st.integers(-(2**63), 2**63 - 1) | st.just(CREATED),
    st.dictionaries(
        st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1).filter(
            lambda name: name not in ("data", "type", "key", "created")  # names that `record` has for itself
        ),
        st.text(),
    ),
)
SHARES = st.integers(1, 9).flatmap(
    lambda of: st.builds(
        Share,
        st.integers(1, of),
        st.just(of),
        st.lists(st.lists(st.integers(0, 12), min_size=1, max_size=5).map(tuple), max_size=3).map(tuple),
    )
)


@given(st.lists(RECORDS, min_size=1, max_size=4), st.integers(1, 2**61))
def test_whatever_is_in_a_batch_comes_out_the_same_or_is_left_to_python(records: list[bytes], first: int) -> None:
    compiled, decoded = both_ways(batch_of(*records, first=first))

    assert compiled is None or compiled == decoded


@given(st.lists(RECORDS, min_size=1, max_size=8), st.integers(1, 10), SHARES, st.data())
def test_a_share_of_it_comes_out_the_same_or_is_left_to_python(
    records: list[bytes], first: int, share: Share, data: st.DataObject
) -> None:
    skip = data.draw(st.integers(0, len(records) - 1))
    compiled, decoded = both_ways(batch_of(*records, first=first)._replace(skip=skip), share)

    assert compiled is None or compiled == decoded


@given(
    st.lists(st.none() | st.text(st.characters(exclude_categories=["Cs"])), min_size=1, max_size=30),
    st.integers(1, 10),
    SHARES,
)
def test_a_share_of_what_is_plain_is_never_left_to_python(keys: list[str | None], first: int, share: Share) -> None:
    assert_plain(batch_of(*(record({"n": n}, key=key) for n, key in enumerate(keys)), first=first), share)


def test_what_another_share_sends_need_not_be_plain() -> None:
    keys = ["a", "b", "c", "d"]
    others = [each for each in keys if not Share(1, 2).takes(each, ID.binary, 1)]
    batch = batch_of(*(record({"n": float("nan") if each in others else 1}, key=each) for each in keys))

    assert others not in ([], keys)
    assert_plain(batch, Share(1, 2))
    assert both_ways(batch, Share(2, 2))[0] is None


def test_a_key_that_is_not_utf_8_is_left_to_python_whosever_it_is() -> None:
    plain = batch_of(record({}, key="the key"), record({}, key="other"))
    broken = plain._replace(raw=plain.raw.replace(b"the key", b"the k\xff\xff"))

    assert [both_ways(broken, Share(number, 2))[0] for number in (1, 2)] == [None, None]


JSON_TEXT = st.text(max_size=40) | st.text(st.characters(max_codepoint=160), max_size=40)
PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(1e-4, 1e15)
    | JSON_TEXT
    | st.binary()
    | st.uuids()
    | st.binary(min_size=12, max_size=12).map(ObjectId)
    | DECIMALS
    | st.datetimes(timezones=st.just(UTC)),
    lambda inner: (
        st.lists(inner, max_size=5) | st.dictionaries(NAMES.filter(lambda name: name[:1] != "$"), inner, max_size=5)
    ),
    max_leaves=15,
)


@given(st.lists(st.dictionaries(NAMES.filter(lambda name: name[:1] != "$"), PLAIN, max_size=4), min_size=1, max_size=3))
def test_what_is_plain_is_never_left_to_python(data: list[dict[str, Any]]) -> None:
    assert_plain(datas(data))


@pytest.mark.parametrize(
    "value",
    [
        "", "Zoë", "日本語 🎉", "\U0010ffff", "\0\x1f\b\t\n\f\r\"\\/\x7f\x80", "x" * 1000, "\x01" * 1000,
        "x" * 7 + '"' + "y" * 9,
        True, False, None, 0, -1, 2**31, -(2**31), Int64(2**63 - 1), Int64(-(2**63)),
        0.0, -0.0, 1.0, 1.5, 9.9, -273.15, 0.1 + 0.2, 1e-4, 123456789012345.6, 9007199254740993.0, 1 / 3,
        ID, b"", b"\x00", b"\x00\xff", b"\x00\xff\x10", UUID(int=2**127 + 1), [], {}, [[], {}, [1, "a", None]],
        datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, 999000, UTC), DatetimeMS(-1), DatetimeMS(0),
        datetime(2024, 2, 29, tzinfo=UTC), datetime(1900, 3, 1, tzinfo=UTC), datetime(2000, 2, 29, tzinfo=UTC),
        {f"name{n}": n for n in range(64)}, nested(31),
    ],
)  # fmt: skip
def test_each_plain_value_is_encoded_without_python(value: object) -> None:
    assert_plain(datas([{"a": value}, {"b": [value, value]}]))


DECIMAL_TEXTS = [
    "0", "-0", "0.00", "0E+3", "-0E-20", "1", "9.90", "-273.15", "1E+1", "1E-6", "1E-7", "123E-8", "0.000001",
    "0.0000001", "123456789012345678901234567890.1234", "9999999999999999999999999999999999", "1E+6111", "1E-6176",
    "9.999999999999999999999999999999999E+6144", "1.000000000000000000000000000000000E-6143", "1000000000",
    "4294967296", "18446744073709551615", "18446744073709551616",
]  # fmt: skip


@pytest.mark.parametrize("text", DECIMAL_TEXTS)
def test_each_form_of_a_decimal_is_written_as_the_driver_writes_it(text: str) -> None:
    assert_plain(datas([{"total": Decimal128(text)}]))


# The greatest exponents before infinity, both encodings of a coefficient that is too large, the largest that is not.
DECIMAL_BITS = [
    0x77FF_0000_0000_0000 << 64, 0xF7FF_0000_0000_0000 << 64, 0x5FFF_0000_0000_0000 << 64,
    0x6000_0000_0000_0000 << 64, 0x6C10_0000_0000_0000 << 64, 0x77FF_FFFF_FFFF_FFFF << 64,
    (0x3040 << 112) + 10**34, (0x3040 << 112) + 10**34 - 1, (0x3041 << 112) + 2**112 - 1, (0xB040 << 112) + 10**18,
]  # fmt: skip


@pytest.mark.parametrize("bits", DECIMAL_BITS, ids=hex)
def test_each_odd_decimal_is_written_as_the_driver_writes_it(bits: int) -> None:
    assert_plain(datas([{"total": Decimal128.from_bid(bits.to_bytes(16, "little"))}]))


@given(st.binary(min_size=16, max_size=16).map(Decimal128.from_bid) | DECIMALS)
def test_every_decimal_is_written_as_the_driver_writes_it_and_what_is_no_number_is_left_to_python(
    value: Decimal128,
) -> None:
    batch = datas([{"totals": [value]}])

    if str(value) in ("NaN", "Infinity", "-Infinity"):
        compiled, decoded = both_ways(batch)
        assert compiled is None
        assert isinstance(decoded, PoisonMessage)
    else:
        assert_plain(batch)


# NaN and infinity, with a payload too.
@pytest.mark.parametrize(
    "bits",
    [
        0x7C00 << 112, 0xFC00 << 112, 0x7E00 << 112, 0x7800 << 112, 0xF800 << 112, 0x7C00_0000_0000_0001 << 64,
        0x7E00_1234_0000_0000 << 64, 0x7800_0000_0000_0007 << 64, 0xF8FF << 112,
    ],
    ids=hex,
)  # fmt: skip
def test_a_decimal_that_is_no_number_is_left_to_python(bits: int) -> None:
    compiled, decoded = both_ways(datas([{"a": [Decimal128.from_bid(bits.to_bytes(16, "little"))]}]))

    assert compiled is None
    assert isinstance(decoded, PoisonMessage)
    assert "data.a[0] is" in str(decoded)


@given(st.lists(st.integers(-62135596800000, 253402300799999), min_size=1))
def test_every_date_of_four_digit_years_is_written_as_python_writes_it(milliseconds: list[int]) -> None:
    assert_plain(batch_of(*(record({"at": DatetimeMS(each)}, created=each) for each in milliseconds)))


@given(st.lists(st.floats() | st.floats(-1e16, 1e16)))
def test_a_double_is_written_as_orjson_writes_it_or_left_to_python(values: list[float]) -> None:
    for value in values:
        compiled, decoded = both_ways(datas([{"a": value}]))

        assert compiled is None or compiled == decoded
        if value == 0 or 1e-4 <= abs(value) < 1e16:
            assert compiled is not None


@pytest.mark.parametrize(
    "value",
    [
        float("nan"), float("inf"), float("-inf"), 1e-5, 1e16, 1e300, 5e-324,
        Regex("a"), Timestamp(1, 1), Code("f()"), Code("f()", {}), MaxKey(), MinKey(), DBRef("orders", ID),
        {"$ref": 1}, {"$id": 1}, Binary(b"a", 128), Binary(b"a", 2), Binary(b"a", 3),
        DatetimeMS(253402300800000), DatetimeMS(-62135596800001), DatetimeMS(2**63 - 1), DatetimeMS(-(2**63)),
        nested(40), {f"name{n}": n for n in range(65)},
    ],
)  # fmt: skip
def test_what_needs_a_decision_is_left_to_python(value: object) -> None:
    compiled, _ = both_ways(datas([{}, {"a": value}]))

    assert compiled is None


@pytest.mark.parametrize("name", [b"a", b"", b"\xc3\xab"])
def test_a_document_with_one_name_twice_is_left_to_python(name: bytes) -> None:
    twice = raw(element(0x0A, name, b""), element(0x0A, b"b", b""), element(0x10, name, struct.pack("<i", 1)))
    once = raw(element(0x03, b"x", document(element(0x0A, name, b""))), element(0x0A, b"y" + name, b""))

    assert both_ways(datas([twice]))[0] is None
    assert_plain(datas([once]))


BAD_TEXTS = [
    b"\x80", b"\xc0\xaf", b"\xc1\xbf", b"\xc3", b"\xe0\x9f\xbf", b"\xed\xa0\x80", b"\xed\xbf\xbf", b"\xe2\x82",
    b"\xf0\x8f\xbf\xbf", b"\xf4\x90\x80\x80", b"\xf5\x80\x80\x80", b"\xff", b"\xe2\x28\xa1", b"\xf0\x9f\x8e",
]  # fmt: skip


@pytest.mark.parametrize("text", BAD_TEXTS)
@pytest.mark.parametrize("before", [b"", b"good", b"as long as this"])
def test_text_that_is_not_utf8_is_left_to_python(text: bytes, before: bytes) -> None:
    bad = before + text
    value = element(0x02, b"a", struct.pack("<i", len(bad) + 1) + bad + b"\0")
    plain = batch_of(record({}, key="the key", tenant="the tenant"))

    assert both_ways(datas([raw(value)]))[0] is None
    assert Encoder(str, LOG).encode_plain(plain, ALL) is None  # the type is not known
    for place in (b"the key", b"the tenant"):
        size, new = struct.pack("<i", len(place) + 1), (text + place)[: len(place)]
        broken = plain._replace(raw=plain.raw.replace(size + place, size + new))
        assert both_ways(broken)[0] is None


@pytest.mark.parametrize("name", RESERVED_HEADERS)
def test_headers_that_take_a_name_of_the_relays_are_left_to_python(name: str) -> None:
    rest = bson.encode({"type": "order", "key": None, "headers": {"a": "b", name: "x"}, "data": None})[4:]
    near = bson.encode({"type": "order", "key": None, "headers": {name + "s": "x", name[:-1]: "y"}, "data": None})[4:]

    assert both_ways(batch_of(packed(ID.binary, CREATED, rest)))[0] is None
    assert_plain(batch_of(packed(ID.binary, CREATED, near)))


@pytest.mark.parametrize("value", [1, None, ["a"], {"a": "b"}])
def test_headers_that_are_not_text_are_left_to_python(value: object) -> None:
    rest = bson.encode({"type": "order", "key": None, "headers": {"a": value}, "data": None})[4:]

    assert both_ways(batch_of(packed(ID.binary, CREATED, rest)))[0] is None


def test_a_value_of_an_odd_shape_is_left_to_python() -> None:
    values = [
        element(0x08, b"a", b"\x02"),  # neither false nor true
        element(0x02, b"a", struct.pack("<i", 0)),
        element(0x02, b"a", struct.pack("<i", 2) + b"ab"),
        element(0x05, b"a", struct.pack("<i", -1) + b"\0"),
        element(0x05, b"a", struct.pack("<i", 100) + b"\0abc"),
        element(0x05, b"a", struct.pack("<i", 3) + b"\x04abc"),  # a UUID of three bytes
        element(0x03, b"a", struct.pack("<i", 4) + b"\0"),
        element(0x03, b"a", struct.pack("<i", 1000) + b"\0"),
        element(0x03, b"a", struct.pack("<i", 6) + b"\x0a\x01"),
        element(0x10, b"a", b"\x01"),
        element(0x13, b"a", b"\x01" * 15),
        element(0x00, b"a", b""),
        b"\x0a" + b"no end",
    ]
    encoder = Encoder(str, LOG)
    encoder.encode(batch_of(record({})).records())
    for value in values:
        broken = batch_of(record(raw(value)))
        assert encoder.encode_plain(broken, ALL) is None, value


def test_a_type_of_unknown_topic_is_left_to_python() -> None:
    batch = batch_of(record({}), record({}, type="new"))
    encoder = Encoder(str, LOG)

    assert encoder.encode_plain(batch, ALL) is None
    outgoing, marks, error = encoder.encode(batch.records())
    assert error is None
    assert encoder.encode_plain(batch, ALL) == (outgoing, marks)


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


def test_broken_bytes_are_never_more_than_left_to_python() -> None:
    """Each mutation of a batch gives what Python gives, or nothing; a crash would end the tests."""
    values = [{"a": "text", "b": [1, Int64(2), 2.5, None, True], "c": {"d": ID, "e": Decimal128("9.90")}}, {"f": b"ab"}]
    batch = batch_of(*(record(each, tenant="acme") for each in values))
    encoder = Encoder(str, LOG)
    encoder.encode(batch.records())
    chance = random.Random(5)
    share = Share(1, 2, ((1, 2, 0),))
    for _ in range(20_000):
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
            assert (compiled, error) == ((outgoing, marks), None)


def test_a_batch_of_no_known_layout_is_named_by_the_decoding_path() -> None:
    plain = batch_of(record({}))

    with pytest.raises(LogCorrupt):
        plain._replace(raw=plain.raw.replace(b"\x07id\0", b"\x07di\0")).records()
