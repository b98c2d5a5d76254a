"""Compressed lines: what is written comes back, and what was cut or changed does not."""

from __future__ import annotations

import gzip

import pytest
import zstandard

from outbox.archive.formats.compression import blocks, compressor
from outbox.errors import ArchiveDamaged

FORMATS = ("jsonl", "jsonl.gz", "jsonl.zst")
CONTENT = b"".join(b'{"seq":%d,"data":"%d"}\n' % (number, number**9) for number in range(60_000))


def lines(stored: bytes, format: str) -> bytes:
    return b"".join(blocks(stored, format))


def stored(format: str, content: bytes = CONTENT) -> bytes:
    made = compressor(format)
    return made.compress(content[:1000]) + made.compress(content[1000:]) + made.flush()


@pytest.mark.parametrize("format", FORMATS)
def test_what_is_written_comes_back(format: str) -> None:
    assert lines(stored(format), format) == CONTENT


def test_the_usual_programs_read_it() -> None:
    assert gzip.decompress(stored("jsonl.gz")) == CONTENT
    assert zstandard.ZstdDecompressor().decompressobj().decompress(stored("jsonl.zst")) == CONTENT


@pytest.mark.parametrize("format", FORMATS)
def test_the_same_lines_make_the_same_file(format: str) -> None:
    assert stored(format) == stored(format)


@pytest.mark.parametrize("format", FORMATS[1:])
@pytest.mark.parametrize("cut", [1, 5, 1000])
def test_a_cut_file_is_found(format: str, cut: int) -> None:
    with pytest.raises(ArchiveDamaged):
        lines(stored(format)[:-cut], format)


@pytest.mark.parametrize("format", FORMATS[1:])
def test_something_behind_the_end_is_found(format: str) -> None:
    with pytest.raises(ArchiveDamaged):
        lines(stored(format) + b"x" * 2_000_000, format)


@pytest.mark.parametrize("format", FORMATS[1:])
def test_a_flipped_bit_is_found(format: str) -> None:
    damaged = bytearray(stored(format))
    damaged[len(damaged) // 2] ^= 1
    with pytest.raises(ArchiveDamaged):
        lines(bytes(damaged), format)
