"""What every format of chunks does: it loses nothing, gives what is wanted, and finds what is missing."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import bson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from outbox.archive.chunk import Draft, sha256
from outbox.archive.formats.choice import DOCUMENTS, FILES, chunk_format
from outbox.archive.formats.chunk_format import Wanted
from outbox.archive.manifest import Entry
from outbox.errors import ArchiveDamaged
from outbox.log.record import Record
from outbox.mongo.codec import DECODED
from tests.actors.archives import DAY_MS, MINUTE
from tests.anything import BSON_VALUES, NAMES

FORMATS = (*FILES, *DOCUMENTS)
ALL = Wanted(0, 10**9)
DATA = st.none() | st.dictionaries(NAMES | NAMES.map("${}".format), BSON_VALUES, max_size=5)


def chunk(format: str, fields: Sequence[dict[str, Any]], first: int = 1) -> tuple[bytes, Entry]:
    heads = [(seq, seq.to_bytes(12, "big"), DAY_MS + seq * MINUTE) for seq in range(first, first + len(fields))]
    documents = [
        bson.encode({"type": "a", "key": None, "headers": {}, "data": None, **each}, codec_options=DECODED)
        for each in fields
    ]
    made = Draft(format)
    made.take(chunk_format(format).lines(heads, documents))
    return made.finish()


def read(format: str, stored: bytes, entry: Entry, wanted: Wanted = ALL) -> list[Record[Any]]:
    return list(chunk_format(format).records(stored, entry, wanted))


@pytest.mark.parametrize("format", FORMATS)
@given(data=st.lists(DATA, min_size=1, max_size=4))
def test_whatever_a_driver_wrote_comes_back_byte_for_byte(format: str, data: list[Any]) -> None:
    fields = [{"type": "a", "key": "k", "headers": {"h": '"{x}\\"'}, "data": each} for each in data]
    found = read(format, *chunk(format, fields))

    assert [bson.encode(each.stored, codec_options=DECODED) for each in found] == [
        bson.encode(each, codec_options=DECODED) for each in fields
    ]
    assert [(each.seq, each.id_bytes, each.created_ms) for each in found] == [
        (seq, seq.to_bytes(12, "big"), DAY_MS + seq * MINUTE) for seq in range(1, len(data) + 1)
    ]


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize(
    ("wanted", "seqs"),
    [
        (ALL, range(1, 10)),
        (Wanted(3, 5), range(3, 6)),
        (Wanted(0, 0), ()),
        (Wanted(0, 99, frozenset({"b"})), (3, 6, 9)),
        (Wanted(4, 6, frozenset({"b"})), (6,)),
        (Wanted(0, 99, frozenset({"a", "b"}), "1"), (1, 3, 5, 7, 9)),
        (Wanted(0, 99, frozenset({"b"}), "1"), (3, 9)),
        (Wanted(0, 99, None, '"'), ()),
        (Wanted(2, 8, None, "1"), (3, 5, 7)),
        (Wanted(0, 99, frozenset({"typ"})), ()),
        (Wanted(0, 99, id=(7).to_bytes(12, "big")), (7,)),
        (Wanted(0, 99, id=bytes(12)), ()),
    ],
)
def test_it_gives_what_is_wanted(format: str, wanted: Wanted, seqs: Any) -> None:
    fields = [
        {"type": "a" if seq % 3 else "b", "key": "1" if seq % 2 else None, "data": {"type": "b", "key": '"'}}
        for seq in range(1, 10)
    ]

    assert [each.seq for each in read(format, *chunk(format, fields), wanted)] == list(seqs)


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("text", ['"', "\\", "é\n", "\u2028", "}", ',"key":"42"'])
def test_a_type_or_a_key_of_any_characters_is_found(format: str, text: str) -> None:
    stored, entry = chunk(format, [{"type": text}, {"key": text}, {}])

    assert [each.seq for each in read(format, stored, entry, Wanted(0, 9, frozenset({text})))] == [1]
    assert [each.seq for each in read(format, stored, entry, Wanted(0, 9, None, text))] == [2]


@pytest.mark.parametrize("format", FORMATS)
def test_fields_in_another_order_are_as_good(format: str) -> None:
    document = bson.encode({"data": {"n": 1}, "headers": {}, "key": "k", "type": "b"})
    [line] = chunk_format(format).lines([(1, bytes(12), DAY_MS)], [document])
    made = Draft(format)
    made.take([line])
    [found] = read(format, *made.finish(), Wanted(0, 9, frozenset({"b"}), "k"))

    assert (line[3], found.stored) == ("b", {"type": "b", "key": "k", "headers": {}, "data": {"n": 1}})


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("types", [None, frozenset({"b"})])
def test_a_large_chunk_is_read_by_parts(format: str, types: frozenset[str] | None) -> None:
    fields = [{"type": "b" if seq % 100 == 0 else "a", "data": {"n": "x" * 150}} for seq in range(11_000)]
    stored, entry = chunk(format, fields, first=1)
    found = read(format, stored, entry, Wanted(5_000, 10_500, types))

    assert [each.seq for each in found] == [
        seq for seq in range(5_000, 10_501) if types is None or (seq - 1) % 100 == 0
    ]
    assert chunk_format(format).check(stored, entry).seq == 11_000


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize(("first", "last"), [(1, 4), (2, 4), (0, 3), (1, 2)])
def test_a_chunk_of_other_records_than_its_entry_says_is_found(format: str, first: int, last: int) -> None:
    stored, entry = chunk(format, [{}, {}, {}])
    assert chunk_format(format).check(stored, entry).seq == 3
    wrong = dataclasses.replace(entry, first=first, last=last, count=last - first + 1, sha256=sha256(stored))

    with pytest.raises(ArchiveDamaged):
        chunk_format(format).check(stored, wrong)
