"""Tokens in a file, for one machine or what is mounted on several."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from outbox.errors import InvalidArgument
from outbox.gateway.tokens.token import Token, parse


class FileTokens:
    """Keeps tokens in a JSON file, and in `FILE.used` when each was used. Thread-safe for one who writes at a time."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path)
        self._used = Path(f"{self._path}.used")

    def __str__(self) -> str:
        return str(self._path)

    def load(self) -> dict[str, Token]:
        """Reads all tokens. Raises InvalidArgument for a file that is missing, or not as `outbox token` writes it."""
        try:
            found = json.loads(self._path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise InvalidArgument(f"{self._path} is not there: `outbox token add NAME --tokens {self._path}`") from None
        except (OSError, ValueError) as error:
            raise InvalidArgument(f"{self._path} cannot be read as tokens: {error}") from error
        if not isinstance(found, Mapping) or not isinstance(tokens := found.get("tokens"), Mapping):
            raise InvalidArgument(f"{self._path} has no object 'tokens'")
        used = self._times()
        try:
            return {name: replace(parse(name, each), used=used.get(name)) for name, each in tokens.items()}
        except InvalidArgument as error:
            raise InvalidArgument(f"{self._path}: {error}") from None

    def put(self, token: Token) -> None:
        """Adds a token, or replaces the one of its name. Raises as `load`, and OSError."""
        self._write({**self._there(), token.name: token})

    def remove(self, name: str) -> bool:
        """Removes a token; False when there was none. Raises as `put`."""
        tokens = self._there()
        if name not in tokens:
            return False
        del tokens[name]
        self._write(tokens)
        return True

    def note_use(self, name: str, at: str) -> None:
        """Notes when a token was used. Raises OSError."""
        _replace(self._used, {**self._times(), name: at})

    def _there(self) -> dict[str, Token]:
        return self.load() if self._path.exists() else {}

    def _times(self) -> dict[str, str]:
        with contextlib.suppress(OSError, ValueError):
            found = json.loads(self._used.read_text(encoding="utf-8"))
            if isinstance(found, dict):
                return {name: at for name, at in found.items() if isinstance(at, str)}
        return {}

    def _write(self, tokens: Mapping[str, Token]) -> None:
        stored = {name: {k: v for k, v in each.as_document().items() if k != "used"} for name, each in tokens.items()}
        _replace(self._path, {"tokens": stored})


def _replace(path: Path, value: object) -> None:
    """Writes the file anew, for its owner alone; who reads meanwhile reads the old one, whole."""
    handle, part = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # which nobody else may read
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(value, file, indent=2)
            file.write("\n")
        Path(part).replace(path)
    except BaseException:
        Path(part).unlink(missing_ok=True)
        raise
