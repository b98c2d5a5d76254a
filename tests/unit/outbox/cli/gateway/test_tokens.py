"""The commands `outbox token …`, on a file."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from outbox.cli.gateway.tokens import token
from outbox.gateway.tokens.file_tokens import FileTokens


@pytest.fixture
def file(tmp_path: Path) -> str:
    return str(tmp_path / "tokens")


def run(*arguments: str) -> Result:
    return CliRunner().invoke(token, arguments)


def test_a_token_is_added_listed_rotated_and_removed(file: str) -> None:
    where = ["--tokens", file]
    only = ["--types", "a,b", "--components", "c", "--key-prefix", "k", "--header", "tenant=acme"]
    added = run("add", "web", "--scope", "read,post", *only, *where)
    listed = json.loads(run("list", "--json", *where).stdout)
    rotated = run("rotate", "web", *where)

    assert added.stdout.startswith("web.")
    assert rotated.stdout.startswith("web.")
    assert rotated.stdout != added.stdout
    assert listed.pop("created").endswith("Z")
    assert listed == {
        "name": "web", "scope": ["read", "post"], "types": ["a", "b"], "components": ["c"], "key_prefix": "k",
        "headers": {"tenant": "acme"}, "used": None,
    }  # fmt: skip
    assert "never" in run("list", *where).stdout
    assert run("remove", "web", *where).exit_code == 0
    assert run("list", "--json", *where).stdout == ""


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["add", "web"], "rotate it"),
        (["add", "a.b"], "name"),
        (["add", "b", "--scope", "write"], "scope"),
        (["add", "b", "--header", "tenant"], "NAME=VALUE"),
        (["remove", "wep"], "did you mean 'web'?"),
        (["rotate", "other"], "there is web"),
        (["list", "--app", "shop:orders"], "--app APP"),
    ],
)
def test_what_cannot_be_done_is_refused_with_the_reason(file: str, arguments: list[str], reason: str) -> None:
    run("add", "web", "--tokens", file)
    refused = run(*arguments, "--tokens", file)

    assert refused.exit_code == 2
    assert reason in refused.stderr


def test_a_folder_that_is_missing_is_named(file: str) -> None:
    refused = run("add", "web", "--tokens", f"{file}/x/tokens")

    assert refused.exit_code == 2
    assert f"{file}/x" in refused.stderr


@pytest.mark.skipif(not Path("/dev/full").is_char_device(), reason="this system has no /dev/full")
@pytest.mark.parametrize("closed", [False, True], ids=["full", "closed"])
def test_a_token_that_cannot_be_printed_is_none(
    file: str, closed: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run("add", "old", "--tokens", file)
    before = FileTokens(file).load()
    for command in (["add", "web"], ["rotate", "old"]):
        with Path("/dev/full").open("w") as full:
            monkeypatch.setattr(sys, "stdout", None if closed else full)
            with pytest.raises(SystemExit) as ended:
                token([*command, "--tokens", file])
            monkeypatch.undo()
            assert ended.value.code == 2
            assert "nothing is changed" in capsys.readouterr().err
            full.flush()  # nothing is left for Python to complain of at its end

    assert FileTokens(file).load() == before
