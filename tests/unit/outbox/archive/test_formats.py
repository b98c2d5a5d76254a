"""Formats of chunks: what is written comes back, and what was cut or changed does not."""

from __future__ import annotations

import gzip
from typing import Any

import pytest
import zstandard

from outbox.archive import missing_extra
from outbox.archive.formats import FORMATS, check_format, compressor, lines
from outbox.errors import ArchiveDamaged, InvalidArchive

TEXTS = [b'{"seq":%d,"data":"%d"}' % (number, number**9) for number in range(60_000)]
CONTENT = b"".join(text + b"\n" for text in TEXTS)


def stored(format: str, content: bytes = CONTENT) -> bytes:
    made = compressor(format)
    return made.compress(content[:1000]) + made.compress(content[1000:]) + made.flush()


@pytest.mark.parametrize("format", FORMATS)
def test_what_is_written_comes_back(format: str) -> None:
    assert list(lines(stored(format), format)) == TEXTS


def test_the_usual_programs_read_it() -> None:
    assert gzip.decompress(stored("jsonl.gz")) == CONTENT
    assert zstandard.ZstdDecompressor().decompressobj().decompress(stored("jsonl.zst")) == CONTENT


@pytest.mark.parametrize("format", FORMATS)
def test_the_same_lines_make_the_same_file(format: str) -> None:
    assert stored(format) == stored(format)


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("cut", [1, 5, 1000])
def test_a_cut_file_is_found(format: str, cut: int) -> None:
    with pytest.raises(ArchiveDamaged):
        list(lines(stored(format)[:-cut], format))


@pytest.mark.parametrize("format", FORMATS[1:])
def test_something_behind_the_end_is_found(format: str) -> None:
    with pytest.raises(ArchiveDamaged):
        list(lines(stored(format) + b"x" * 2_000_000, format))


@pytest.mark.parametrize("format", FORMATS[1:])
def test_a_flipped_bit_is_found(format: str) -> None:
    damaged = bytearray(stored(format))
    damaged[len(damaged) // 2] ^= 1
    with pytest.raises(ArchiveDamaged):
        list(lines(bytes(damaged), format))


@pytest.mark.parametrize("format", ["parquet", "json", "", None, 5])
def test_another_format_is_refused(format: Any) -> None:
    with pytest.raises(InvalidArchive, match=r"one of jsonl, jsonl.gz, jsonl.zst"):
        check_format(format)


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> Any:
        raise ModuleNotFoundError(name=name)

    monkeypatch.setattr(missing_extra, "import_module", missing)
    with pytest.raises(InvalidArchive, match=r"jsonl.zst needs zstandard: pip install"):
        check_format("jsonl.zst")
