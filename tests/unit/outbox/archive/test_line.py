"""A line of a chunk: what it has, and that only wanted ones are parsed."""

from __future__ import annotations

import json

import pytest

from outbox.archive import line as lines_module
from outbox.archive.line import chosen, record
from outbox.errors import ArchiveDamaged
from tests.actors.archives import line


def test_it_has_the_record_s_fields_with_seq_first() -> None:
    found = json.loads(line(3, key='a"b', headers={"tenant": "acme"})[1])

    assert list(found.items()) == [
        ("seq", 3),
        ("id", f"{3:024x}"),
        ("created", "2025-01-01T00:03:00.000Z"),
        ("type", "order.placed"),
        ("key", 'a"b'),
        ("headers", {"tenant": "acme"}),
        ("data", {"total": 3}),
    ]


def test_what_is_read_is_the_record() -> None:
    read = record(line(3, key=None)[1])

    assert (read.seq, read.id_bytes.hex(), read.created_ms) == (3, f"{3:024x}", 1_735_689_780_000)
    assert read.stored == {"type": "order.placed", "key": None, "headers": {}, "data": {"total": 3}}


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"3", b'{"seq":1}', line(3)[1].replace(b"2025-01", b"2025-13")])
def test_what_is_no_record_is_named(text: bytes) -> None:
    with pytest.raises(ArchiveDamaged, match="is no record"):
        record(text)


def test_types_and_keys_are_compared_whole() -> None:
    texts = [
        line(1, type="a")[1],
        line(2, type="a.b", key="a")[1],
        line(3, type="b", data={"type": "a", "key": "a"})[1],
    ]

    assert list(chosen(texts, frozenset({"a"}), None)) == texts[:1]
    assert list(chosen(texts, None, "a")) == texts[1:2]
    assert list(chosen(texts, frozenset({"a", "a.b"}), "42")) == texts[:1]
    assert list(chosen(texts, None, None)) == texts


@pytest.mark.parametrize("key", ['"', "\\", "é\n", "\u2028", "}", ',"key":"42"'])
def test_a_key_of_any_characters_is_found(key: str) -> None:
    texts = [line(1, key=key)[1], line(2)[1]]

    assert list(chosen(texts, None, key)) == texts[:1]


def test_a_line_that_is_not_wanted_is_not_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = line(1, type="a")[1][:-5]

    [found] = chosen([broken, line(2)[1]], frozenset({"order.placed"}), None)
    assert record(found).seq == 2
    with pytest.raises(ArchiveDamaged):
        lines_module.record(broken)


def test_a_line_that_does_not_begin_as_a_record_is_named() -> None:
    with pytest.raises(ArchiveDamaged, match="does not begin as a record does"):
        list(chosen([b'{"type":"order.placed"}'], frozenset({"order.placed"}), None))
