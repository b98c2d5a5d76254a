"""Imports what the extra `archive` brings, or says how to have it."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from outbox.errors import InvalidArchive


def needed(name: str, why: str, extra: str = "archive") -> Any:
    """Imports a package of an extra. Raises InvalidArchive, which says why it is needed and how to install it."""
    try:
        return import_module(name)
    except ModuleNotFoundError as missing:
        raise InvalidArchive(f"{why} needs {missing.name}: pip install '.[{extra}]', in its clone") from missing


orjson = needed("orjson", "an archive")
