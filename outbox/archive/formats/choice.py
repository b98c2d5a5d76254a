"""Which formats of chunks there are."""

from __future__ import annotations

from collections.abc import Sequence

from outbox.archive.formats.chunk_format import ChunkFormat
from outbox.archive.formats.documents import Documents
from outbox.archive.formats.json_lines import JsonLines
from outbox.archive.formats.parquet import Parquet
from outbox.errors import InvalidArchive

FILES: tuple[str, ...] = ("jsonl.gz", "jsonl", "jsonl.zst", "parquet")
"""The formats of files. The first is the one of whoever asks for none."""
DOCUMENTS: tuple[str, ...] = ("bson",)
"""Those of a MongoDB, where a line is a document."""


def chosen_format(asked: object, possible: Sequence[str]) -> str:
    """Returns the format that is asked for, or the first possible one for None.

    Raises InvalidArchive for one that is not possible there, or whose package is not installed.
    """
    if asked is None:
        return possible[0]
    if not isinstance(asked, str) or asked not in possible:
        raise InvalidArchive(f"format {asked!r}: here it is one of {', '.join(possible)}")
    chunk_format(asked).packer()
    return asked


def chunk_format(name: str) -> ChunkFormat:
    """Returns what writes and reads a format. Raises InvalidArchive for one that is not known."""
    if name == "parquet":
        return Parquet()
    if name == "bson":
        return Documents()
    if name in FILES:
        return JsonLines(name)
    raise InvalidArchive(f"the format {name!r} of a chunk is not known here: a newer version has written it")
