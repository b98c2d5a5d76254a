"""Chunks as Parquet: a row a record, in columns that programs for analysis read."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

from outbox.archive.extended_json import read
from outbox.archive.formats.chunk_format import Packer, Wanted
from outbox.archive.line import FLAT, HEAD, NAMES, Line, created_ms, lines, made_of_bson
from outbox.archive.manifest import Entry
from outbox.archive.missing_extra import needed, orjson
from outbox.errors import ArchiveDamaged
from outbox.log.batch import Head
from outbox.log.record import Record

_ROWS = 5_000
"""Of a row group: as many as are decoded where one is wanted."""
_CHOOSING = ("seq", "id", "type", "key")
_LINE = re.compile(HEAD.pattern + rb'"headers":(' + FLAT + rb'),"data":(.*)\}\n', re.DOTALL)

Row = tuple[int, str, int, str, str | None, str, str, bytes | None]


class Parquet:
    """Is ChunkFormat for `parquet`.

    `headers` and `data` are Extended JSON, as in a line. Where that cannot say what is stored, a chunk has a column
    `bson`, too, with the fields as BSON, and null for all other records.
    """

    def lines(self, heads: list[Head], documents: list[bytes]) -> list[Line]:
        """See ChunkFormat. Lines of JSON: their columns are made when they are packed."""
        return lines(heads, documents)

    def packer(self) -> Packer:
        """See ChunkFormat. Raises InvalidArchive when pyarrow is not installed."""
        return _Packer(_arrow())

    def records(self, stored: bytes, entry: Entry, wanted: Wanted) -> Iterator[Record[Any]]:
        """See ChunkFormat."""
        file = _open(stored)
        seq = entry.first
        for group in range(file.num_row_groups):
            following = seq + file.metadata.row_group(group).num_rows
            if following > wanted.first and seq <= wanted.last:
                yield from _records(file, group, wanted)
            seq = following

    def check(self, stored: bytes, entry: Entry) -> Record[Any]:
        """See ChunkFormat."""
        file = _open(stored)
        seqs = file.read(["seq"]).column("seq").to_pylist()
        if len(seqs) != entry.count:
            raise ArchiveDamaged(f"it has {len(seqs):,} record(s), and its manifest entry says {entry.count:,}")
        if seqs != list(range(entry.first, entry.last + 1)):
            wrong = next(at for at, seq in enumerate(seqs) if seq != entry.first + at)
            raise ArchiveDamaged(f"where seq {entry.first + wrong} should be, there is {seqs[wrong]}")
        [newest] = self.records(stored, entry, Wanted(entry.last, entry.last))
        return newest


def _arrow() -> Any:
    return _package("pyarrow")


def _package(name: str) -> Any:
    return needed(name, "parquet", "parquet")


def _open(stored: bytes) -> Any:
    arrow = _arrow()
    try:
        file = _package("pyarrow.parquet").ParquetFile(arrow.BufferReader(stored))
    except (arrow.ArrowException, OSError) as error:
        raise ArchiveDamaged(f"it cannot be read: {error}") from error
    missing = {"seq", "id", "created", *NAMES}.difference(file.schema_arrow.names)
    if missing:
        raise ArchiveDamaged(f"it has no column {', '.join(sorted(missing))}")
    return file


def _records(file: Any, group: int, wanted: Wanted) -> Iterator[Record[Any]]:
    """Gives the wanted records of a row group. The other columns of it are read only if there is one."""
    rows = _wanted_rows(file.read_row_group(group, list(_CHOOSING)), wanted)
    if not len(rows):
        return
    table = file.read_row_group(group).take(rows)
    columns = [table.column(name).to_pylist() for name in ("seq", "id")]
    columns.append(table.column("created").cast("int64").to_pylist())
    columns += [table.column(name).to_pylist() for name in NAMES]
    bson = table.column("bson").to_pylist() if "bson" in table.column_names else [None] * len(rows)
    for seq, id, created, type, key, headers, data, stored in zip(*columns, bson, strict=True):
        id_bytes = bytes.fromhex(id)
        if stored is None:
            fields = {"type": type, "key": key, "headers": _value(headers), "data": _value(data)}
            yield Record(seq, id_bytes, created, fields)
        else:
            yield made_of_bson(seq, id_bytes, created, stored)


def _value(json: str) -> Any:
    value = orjson.loads(json)
    return read(value) if '"$' in json else value


def _wanted_rows(table: Any, wanted: Wanted) -> Any:
    compute = _package("pyarrow.compute")
    seq = table.column("seq")
    mask = compute.greater_equal(seq, wanted.first)
    if wanted.last < seq[-1].as_py():
        mask = compute.and_(mask, compute.less_equal(seq, int(wanted.last)))
    if wanted.id is not None:
        mask = compute.and_(mask, compute.equal(table.column("id"), wanted.id.hex()))
    if wanted.types is not None:
        types = _arrow().array(sorted(wanted.types), "string")
        mask = compute.and_(mask, compute.is_in(table.column("type"), value_set=types))
    if wanted.key is not None:
        mask = compute.and_(mask, compute.fill_null(compute.equal(table.column("key"), wanted.key), fill_value=False))
    return compute.indices_nonzero(mask)


class _Packer:
    def __init__(self, arrow: Any) -> None:
        self._arrow = arrow
        self._rows: list[Row] = []

    def add(self, lines: Sequence[bytes]) -> None:
        self._rows += map(_row, lines)

    def finish(self) -> bytes:
        arrow = self._arrow
        schema = [
            ("seq", arrow.int64()), ("id", arrow.string()), ("created", arrow.timestamp("ms", "UTC")),
            ("type", arrow.string()), ("key", arrow.string()), ("headers", arrow.string()), ("data", arrow.string()),
            ("bson", arrow.binary()),
        ]  # fmt: skip
        columns = list(zip(*self._rows, strict=True))
        if not any(columns[-1]):
            del schema[-1], columns[-1]
        arrays = [arrow.array(values, type) for values, (_, type) in zip(columns, schema, strict=True)]
        made = io.BytesIO()
        _package("pyarrow.parquet").write_table(
            arrow.table(arrays, [name for name, _ in schema]),
            made,
            row_group_size=_ROWS,
            compression="zstd",
            use_dictionary=["type", "key", "headers"],
        )
        return made.getvalue()


def _row(line: bytes) -> Row:
    found = _LINE.fullmatch(line)
    if found is None or line.endswith(b'"}\n'):  # which may end with `bson`
        return _parsed(line)
    seq, id, created, type, key, headers, data = found.groups()
    return (
        int(seq), id.decode(), created_ms(created.decode()), _text(type), None if key == b"null" else _text(key),
        headers.decode(), data.decode(), None,
    )  # fmt: skip


def _parsed(line: bytes) -> Row:
    found = orjson.loads(line)
    bson = base64.b64decode(found["bson"]) if "bson" in found else None
    type, key = found["type"], found["key"]
    texts = (orjson.dumps(found[name]).decode() for name in ("headers", "data"))
    return found["seq"], found["id"], created_ms(found["created"]), type, key, *texts, bson


@lru_cache(maxsize=1000)
def _text(json: bytes) -> str:
    text: str = orjson.loads(json)
    return text
