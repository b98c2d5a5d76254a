"""Which formats there are, and what is said of others."""

from __future__ import annotations

from typing import Any

import pytest

from outbox.archive import missing_extra
from outbox.archive.formats.choice import DOCUMENTS, FILES, chosen_format, chunk_format
from outbox.errors import InvalidArchive


def test_who_asks_for_none_gets_the_first() -> None:
    assert chosen_format(None, FILES) == "jsonl.gz"
    assert chosen_format(None, DOCUMENTS) == "bson"
    assert chosen_format("parquet", FILES) == "parquet"


@pytest.mark.parametrize("format", ["bson", "json", "", 5])
def test_another_format_is_refused(format: Any) -> None:
    with pytest.raises(InvalidArchive, match=r"one of jsonl.gz, jsonl, jsonl.zst, parquet"):
        chosen_format(format, FILES)


@pytest.mark.parametrize(
    ("format", "package", "extra"), [("jsonl.zst", "zstandard", "archive"), ("parquet", "pyarrow", "parquet")]
)
def test_a_missing_package_is_named(format: str, package: str, extra: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> Any:
        raise ModuleNotFoundError(name=name)

    monkeypatch.setattr(missing_extra, "import_module", missing)
    with pytest.raises(InvalidArchive, match=rf"{format} needs {package}: pip install '\.\[{extra}\]'"):
        chosen_format(format, FILES)


def test_a_format_of_a_newer_version_is_named() -> None:
    with pytest.raises(InvalidArchive, match=r"'jsonl\.new' of a chunk is not known here"):
        chunk_format("jsonl.new")
