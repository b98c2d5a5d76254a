"""The file of settings, as editors leave it."""

from __future__ import annotations

import codecs
import tomllib
from pathlib import Path
from typing import Any

from relay.errors import InvalidSettings

_OTHERS = {codecs.BOM_UTF16_LE: "UTF-16", codecs.BOM_UTF16_BE: "UTF-16"}


def read(path: Path) -> dict[str, Any]:
    """The file's TOML, in UTF-8 with or without a byte order mark. Raises InvalidSettings, with the line."""
    try:
        content = path.read_bytes()
    except (OSError, ValueError) as error:  # ValueError: a path with a null in it
        raise InvalidSettings(f"--config {path}: {getattr(error, 'strerror', error)}") from error
    for mark, encoding in _OTHERS.items():
        if content.startswith(mark):
            raise InvalidSettings(f"--config {path}: it is written in {encoding}: save it as UTF-8")
    try:
        # As text files are read everywhere: TOML itself would refuse the line ends of old editors.
        text = content.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
        return tomllib.loads(text)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InvalidSettings(f"--config {path}: line {line} is not UTF-8: save the file as UTF-8") from error
    except ValueError as error:
        raise InvalidSettings(f"--config {path}: {error}") from error
