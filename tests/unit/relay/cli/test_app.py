"""The command `relay`, as far as no server is needed."""

from __future__ import annotations

import importlib.metadata

import pytest
from typer.testing import CliRunner

from relay.cli.app import app
from relay.encoding import encoder


@pytest.mark.parametrize(("encode", "word"), [(None, "without"), (lambda *_: None, "with")])
def test_the_version_says_whether_the_compiled_encoder_is_there(
    monkeypatch: pytest.MonkeyPatch, encode: object, word: str
) -> None:
    monkeypatch.setattr(encoder, "_encode_plain", encode)

    version = importlib.metadata.version("mongo-outbox")
    assert CliRunner().invoke(app, ["--version"]).stdout == f"mongo-outbox {version} ({word} the compiled encoder)\n"
