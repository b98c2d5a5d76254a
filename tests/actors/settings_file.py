"""The file of settings of a relay, as an operator writes it."""

from __future__ import annotations

from pathlib import Path

from relay.cli.settings import Settings, load

BASICS = {"mongo": "mongodb://h", "database": "shop"}


def from_file(tmp_path: Path, text: str, **flags: object) -> Settings:
    """Loads the settings of a file with this text, and of these flags."""
    path = tmp_path / "relay.toml"
    path.write_text(text)
    return load({"config": str(path), **flags})
