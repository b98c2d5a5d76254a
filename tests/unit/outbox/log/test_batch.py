"""A record batch is plain BSON, whatever its records' sizes, and is cut where the design says."""

from __future__ import annotations

import uuid

import bson
import pytest
from bson import Int64, ObjectId
from bson.binary import Binary, UuidRepresentation
from bson.codec_options import CodecOptions
from bson.datetime_ms import DatetimeMS
from hypothesis import given
from hypothesis import strategies as st

from outbox import LogCorrupt
from outbox.log import batch
from outbox.mongo.codec import DECODED

UUIDS: CodecOptions[dict[str, object]] = CodecOptions(uuid_representation=UuidRepresentation.STANDARD)
FIELDS = ("id", "created", "type", "key", "headers", "data")

values = st.integers(-(2**63), 2**63 - 1) | st.text(max_size=300)
datas = st.none() | st.dictionaries(st.text("abc", min_size=1), values)
records = st.fixed_dictionaries(
    {
        "id": st.binary(min_size=12, max_size=12).map(ObjectId),
        "created": st.integers(-(2**63), 2**63 - 1).map(DatetimeMS),
        "type": st.just("order.placed"),
        "key": st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=50),
        "headers": st.dictionaries(st.text("xyz", min_size=1), st.text("abc")),
        "data": datas,
    }
)
seqs = st.integers(1, 2**62)


def _packed(record: dict[str, object]) -> tuple[bytes, bytes]:
    rest = bson.encode({name: record[name] for name in ("type", "key", "headers", "data")}, codec_options=UUIDS)[4:]
    id, created = record["id"], record["created"]
    assert isinstance(id, ObjectId)
    assert isinstance(created, DatetimeMS)
    return batch.record(id.binary, int(created), rest)


@given(st.lists(records, min_size=1, max_size=30), seqs, seqs, seqs)
def test_a_packed_batch_is_what_bson_itself_would_have_written(
    written: list[dict[str, object]], first: int, fence: int, undeleted: int
) -> None:
    packed = batch.pack(first, fence, undeleted, [_packed(each) for each in written])

    assert packed == bson.encode(
        {
            "_id": Int64(first),
            "last": Int64(first + len(written) - 1),
            "fence": Int64(fence),
            "undeleted": Int64(undeleted),
            "records": [{name: each[name] for name in FIELDS} for each in written],
        }
    )


@given(st.lists(records, min_size=1, max_size=5), seqs)
def test_a_batch_is_parsed_back_with_a_seq_for_each_record(written: list[dict[str, object]], first: int) -> None:
    parsed = batch.parse(batch.pack(first, 7, 3, [_packed(each) for each in written]))

    assert (parsed.first, parsed.last, parsed.fence, parsed.undeleted) == (first, first + len(written) - 1, 7, 3)
    assert [each.seq for each in parsed.records()] == list(range(first, first + len(written)))
    assert [each.id for each in parsed.records()] == [each["id"] for each in written]
    decoded = [bson.decode(bson.encode(each), codec_options=DECODED) for each in written]
    assert [{name: getattr(each, name) for name in FIELDS} for each in parsed.records()] == decoded


@given(st.lists(records, min_size=1, max_size=30), st.integers(0, 29), st.integers(1, 31))
def test_portions_are_all_records_but_the_skipped_and_none_is_larger_than_asked_for(
    written: list[dict[str, object]], skip: int, most: int
) -> None:
    parsed = batch.parse(batch.pack(1, 7, 3, [_packed(each) for each in written]))._replace(skip=skip)

    portions = list(parsed.portions(most=most))

    assert [each for portion in portions for each in portion] == parsed.records()
    assert [each.seq for each in parsed.records()] == list(range(1 + skip, len(written) + 1))
    assert all(0 < len(portion) <= most for portion in portions)


def test_a_record_that_does_not_begin_with_its_id_is_called_corrupt() -> None:
    packed = batch.pack(
        5,
        1,
        1,
        [_packed({"id": ObjectId(), "created": DatetimeMS(0), "type": "t", "key": None, "headers": {}, "data": {}})],
    )

    with pytest.raises(LogCorrupt, match="record 0 of the batch 5"):
        batch.parse(packed.replace(b"\x07id\x00", b"\x07di\x00")).records()


def test_a_full_batch_keeps_its_500_indexes_in_order() -> None:
    rest = bson.encode({"type": "t", "key": None, "headers": {}, "data": {}})[4:]
    packed = batch.pack(1, 1, 1, [batch.record(ObjectId().binary, n, rest) for n in range(batch.MAX_RECORDS)])

    assert [int(each["created"].timestamp() * 1000) for each in bson.decode(packed)["records"]] == list(range(500))


def test_genesis_is_read_as_a_batch_without_records() -> None:
    assert batch.parse(bson.encode(batch.GENESIS)).records() == []


@pytest.mark.parametrize(
    "document", [{"_id": 1}, {"_id": Int64(1), "last": Int64(1), "records": [], "padding": "x" * 90}]
)
def test_a_document_that_is_no_batch_is_called_corrupt_by_its_id(document: dict[str, object]) -> None:
    with pytest.raises(LogCorrupt, match="is no record batch"):
        batch.parse(bson.encode(document))


sizes = st.lists(st.tuples(st.integers(1, batch.MAX_BYTES * 2) | st.integers(1, 2000), st.booleans()), max_size=1200)


@given(sizes)
def test_cuts_cover_every_record_once_and_in_order(marked: list[tuple[int, bool]]) -> None:
    parts = list(batch.cut([size for size, _ in marked], [alone for _, alone in marked]))

    assert [index for part in parts for index in range(part.start, part.stop)] == list(range(len(marked)))


@given(sizes)
def test_no_cut_exceeds_the_limits_but_for_a_record_that_stands_alone(marked: list[tuple[int, bool]]) -> None:
    for part in batch.cut([size for size, _ in marked], [alone for _, alone in marked]):
        inside = marked[part]
        assert len(inside) == 1 or sum(size for size, _ in inside) <= batch.MAX_BYTES
        assert len(inside) <= batch.MAX_RECORDS
        assert len(inside) == 1 or not any(alone for _, alone in inside)


def test_small_records_are_packed_to_the_full() -> None:
    assert list(batch.cut([100] * 1200, [False] * 1200)) == [slice(0, 500), slice(500, 1000), slice(1000, 1200)]


def test_a_uuid_of_another_length_is_binary_and_its_neighbours_are_uuids() -> None:
    id = uuid.uuid4()
    datas: list[dict[str, object]] = [{"id": id}, {"id": Binary(b"short", 4), "at": 1}, {"id": id}]
    fields = {"id": ObjectId(), "created": DatetimeMS(0), "type": "t", "key": None, "headers": {}}
    packed = batch.pack(1, 1, 1, [_packed({**fields, "data": data}) for data in datas])

    assert [each.data for each in batch.parse(packed).records()] == datas
