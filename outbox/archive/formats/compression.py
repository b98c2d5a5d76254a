"""How a chunk's lines are stored: as they are, or compressed."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Any, Protocol

from outbox.archive.missing_extra import needed
from outbox.errors import ArchiveDamaged

_GZIP_LEVEL = 3  # a sixth larger than 6, in half of the time (measured)
_GZIP = 31  # of zlib's, for the format of gzip, with neither a name nor a date: the same lines make the same file
_BLOCK = 1 << 20
_PIECE = 1 << 16
_BEHIND = "something stands behind its end"


class Compressor(Protocol):
    """Compresses lines as they come."""

    def compress(self, data: bytes, /) -> bytes: ...
    def flush(self) -> bytes: ...


class _AsItIs:
    def compress(self, data: bytes, /) -> bytes:
        return data

    def flush(self) -> bytes:
        return b""


def compressor(format: str) -> Compressor:
    """Makes a compressor for one chunk."""
    if format == "jsonl.gz":
        return zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, _GZIP)
    made: Compressor = (
        _zstandard().ZstdCompressor(write_checksum=True).compressobj() if format == "jsonl.zst" else _AsItIs()
    )
    return made


def blocks(stored: bytes, format: str) -> Iterator[bytes]:
    """Gives what was compressed, some of it at a time. Raises ArchiveDamaged."""
    if format == "jsonl.gz":
        return _unzipped(stored)
    if format == "jsonl.zst":
        return _unpacked(stored)
    return (stored[at : at + _BLOCK] for at in range(0, len(stored), _BLOCK))


def _unzipped(stored: bytes) -> Iterator[bytes]:
    unzip = zlib.decompressobj(_GZIP)
    try:
        for piece in _pieces(stored):
            if unzip.eof:
                raise ArchiveDamaged(_BEHIND)
            yield unzip.decompress(piece, _BLOCK)
            while unzip.unconsumed_tail and not unzip.eof:
                yield unzip.decompress(unzip.unconsumed_tail, _BLOCK)
    except zlib.error as error:
        raise ArchiveDamaged(f"it cannot be unzipped: {error}") from error
    if not unzip.eof or unzip.unused_data:
        raise ArchiveDamaged(_BEHIND if unzip.eof else "it is cut off")


def _unpacked(stored: bytes) -> Iterator[bytes]:
    zstandard = _zstandard()
    unpack = zstandard.ZstdDecompressor().decompressobj()
    try:
        for piece in _pieces(stored):
            if unpack.eof:
                raise ArchiveDamaged(_BEHIND)
            yield unpack.decompress(piece)
    except zstandard.ZstdError as error:
        raise ArchiveDamaged(f"it cannot be unpacked: {error}") from error
    if not unpack.eof or unpack.unused_data:
        raise ArchiveDamaged(_BEHIND if unpack.eof else "it is cut off")


def _pieces(stored: bytes) -> Iterator[bytes]:
    return (stored[at : at + _PIECE] for at in range(0, len(stored), _PIECE))


def _zstandard() -> Any:
    return needed("zstandard", "jsonl.zst")
