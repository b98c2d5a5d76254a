"""Tokens in a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from outbox import InvalidArgument
from outbox.gateway.scope import Scope
from outbox.gateway.tokens.file_tokens import FileTokens
from outbox.gateway.tokens.token import Token, new_token


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "tokens"


def added(file: Path, name: str) -> Token:
    token, _ = new_token(name, Scope(), "now")
    FileTokens(file).put(token)
    return token


def test_what_was_put_is_there_until_it_is_removed(file: Path) -> None:
    a, b = added(file, "a"), added(file, "b")
    tokens = FileTokens(file)

    assert tokens.load() == {"a": a, "b": b}
    assert tokens.remove("a")
    assert not tokens.remove("a")
    assert tokens.load() == {"b": b}


def test_only_its_owner_may_read_it(file: Path) -> None:
    added(file, "a")

    assert file.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in file.parent.iterdir()] == ["tokens"]


def test_when_a_token_was_used_is_beside_it(file: Path) -> None:
    added(file, "a")
    before = file.read_text()
    FileTokens(file).note_use("a", "today")

    assert FileTokens(file).load()["a"].used == "today"
    assert file.read_text() == before


@pytest.mark.parametrize("text", ["", "{", "[]", '{"tokens": []}', '{"tokens": {"a": {}}}', '{"tokens": {"a.b": {}}}'])
def test_what_is_no_file_of_tokens_is_refused_by_its_name(file: Path, text: str) -> None:
    file.write_text(text)

    with pytest.raises(InvalidArgument, match=str(file)):
        FileTokens(file).load()


def test_a_file_that_is_missing_says_how_to_make_it(file: Path) -> None:
    with pytest.raises(InvalidArgument, match="outbox token add"):
        FileTokens(file).load()
