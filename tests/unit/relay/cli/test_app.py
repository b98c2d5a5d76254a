"""The command `relay`, as far as no server is needed."""

from __future__ import annotations

import importlib.metadata
import sys
import types

import pytest
from typer.testing import CliRunner

from relay.cli.app import app


@pytest.mark.parametrize(("encoder", "word"), [(None, "without"), (types.ModuleType("_encoder"), "with")])
def test_the_version_says_whether_the_compiled_encoder_is_there(
    monkeypatch: pytest.MonkeyPatch, encoder: types.ModuleType | None, word: str
) -> None:
    monkeypatch.setitem(sys.modules, "relay.encoding._encoder", encoder)

    version = importlib.metadata.version("mongo-outbox")
    assert CliRunner().invoke(app, ["--version"]).stdout == f"mongo-outbox {version} ({word} the compiled encoder)\n"
