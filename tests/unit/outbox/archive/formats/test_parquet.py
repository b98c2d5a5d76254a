"""Parquet as chunks: columns that others read, and no row is decoded that nobody wants."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from typing import Any

import pyarrow.parquet
import pytest
from bson import Decimal128

from outbox.archive.formats import parquet
from outbox.archive.formats.chunk_format import Wanted
from outbox.archive.formats.parquet import Parquet
from outbox.errors import ArchiveDamaged
from tests.actors.archives import draft


def columns(stored: bytes) -> Any:
    return pyarrow.parquet.read_table(io.BytesIO(stored))


def test_others_find_the_fields_of_a_record_as_columns() -> None:
    stored, _ = draft([3], "parquet", headers={"tenant": "acme"}, data={"total": Decimal128("9.90")}).finish()

    assert columns(stored).to_pylist() == [
        {
            "seq": 3, "id": f"{3:024x}", "created": datetime(2025, 1, 1, 0, 3, tzinfo=UTC), "type": "order.placed",
            "key": "42", "headers": '{"tenant":"acme"}', "data": '{"total":{"$numberDecimal":"9.90"}}',
        }
    ]  # fmt: skip


def test_what_extended_json_cannot_say_has_a_column_of_its_own() -> None:
    stored, _ = draft([3], "parquet", data={"$date": "no date"}).finish()

    assert columns(stored).column_names[-1] == "bson"


def test_a_row_group_without_wanted_rows_is_not_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "_ROWS", 10)
    stored, entry = draft(range(1, 101), "parquet").finish()
    decoded: list[tuple[int, Any]] = []
    opened = parquet._open

    def counted(content: bytes) -> Any:
        file = opened(content)
        read = file.read_row_group
        file.read_row_group = lambda group, *names: (decoded.append((group, *names)), read(group, *names))[1]
        return file

    monkeypatch.setattr(parquet, "_open", counted)
    list(Parquet().records(stored, entry, Wanted(15, 32, frozenset({"nothing"}))))
    assert decoded == [(group, ["seq", "id", "type", "key"]) for group in (1, 2, 3)]
    decoded.clear()
    assert [each.seq for each in Parquet().records(stored, entry, Wanted(55, 55))] == [55]
    assert decoded == [(5, ["seq", "id", "type", "key"]), (5,)]


@pytest.mark.parametrize("content", [b"", b"PAR1", b"x" * 100])
def test_what_is_no_parquet_is_named(content: bytes) -> None:
    _, entry = draft([3], "parquet").finish()

    with pytest.raises(ArchiveDamaged, match="cannot be read"):
        Parquet().check(content, entry)


def test_a_missing_column_is_named() -> None:
    stored, entry = draft([3], "parquet").finish()
    made = io.BytesIO()
    pyarrow.parquet.write_table(columns(stored).drop_columns(["key", "data"]), made)

    with pytest.raises(ArchiveDamaged, match="no column data, key"):
        Parquet().check(made.getvalue(), entry)
