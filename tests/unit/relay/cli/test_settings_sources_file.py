"""The file of settings, as editors leave it."""

from __future__ import annotations

from pathlib import Path

import pytest

from relay.cli.settings import load
from relay.cli.settings_sources import read_file
from relay.errors import InvalidSettings

TEXT = 'database = "größe"\n\n[[outbox]]\n\toutbox = "a"\t# a tab\n'


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_byte_order_mark_tabs_and_any_line_ends_are_read(tmp_path: Path, encoding: str, end: str) -> None:
    (path := tmp_path / "relay.toml").write_bytes(TEXT.replace("\n", end).encode(encoding))

    assert read_file(path) == {"database": "größe", "outbox": [{"outbox": "a"}]}


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_utf_16_is_refused_with_what_to_do(tmp_path: Path, encoding: str) -> None:
    mark = "" if encoding == "utf-16" else "\ufeff"
    (path := tmp_path / "relay.toml").write_bytes((mark + TEXT).encode(encoding))

    with pytest.raises(InvalidSettings, match="it is written in UTF-16: save it as UTF-8"):
        read_file(path)


def test_latin_1_is_refused_with_the_line(tmp_path: Path) -> None:
    (path := tmp_path / "relay.toml").write_bytes(('mongo = "m"\n# a comment\n' + TEXT).encode("latin-1"))

    with pytest.raises(InvalidSettings, match=f"--config {path}: line 3 is not UTF-8: save the file as UTF-8"):
        read_file(path)


def test_a_mistake_of_toml_is_told_with_the_line(tmp_path: Path) -> None:
    (path := tmp_path / "relay.toml").write_text('mongo = "m"\ndatabase == "d"\n')

    with pytest.raises(InvalidSettings, match="line 2"):
        read_file(path)


def test_a_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidSettings, match=f"--config {tmp_path}: Is a directory"):
        read_file(tmp_path)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("databse = 'd'", "databse in {}: no such setting; did you mean database?"),
        (
            "[[outbox]]\non-poison = 'x'",
            "on-poison in {}, [[outbox]] 1: no such setting; did you mean on_poison?",
        ),
        ("[outboxes]\nname = 'a'", "outboxes in {}: no such setting; did you mean outbox?"),
    ],
)
def test_an_unknown_name_is_refused_with_what_may_be_meant(tmp_path: Path, text: str, says: str) -> None:
    (path := tmp_path / "relay.toml").write_text(text)

    with pytest.raises(InvalidSettings) as refused:
        load({"config": str(path), "mongo": "mongodb://h", "database": "d"})

    assert str(refused.value) == says.format(path)
