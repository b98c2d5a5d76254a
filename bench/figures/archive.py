"""Keeps figures in a JSON file, by name: a run replaces its own and leaves the others, so that one can be run again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

Entry = dict[str, Any]


class Archive:
    """One file; missing, it is empty. Not for two runs at the same time."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def entries(self, order: Mapping[str, object] | None = None) -> dict[str, Entry]:
        """Reads all entries by name, those of `order` first, in that order. Raises ValueError if it is not JSON."""
        if not self.path.exists():
            return {}
        entries: dict[str, Entry] = json.loads(self.path.read_text())
        if order is None:
            return entries
        return {
            name: entries[name]
            for name in [*order, *(name for name in entries if name not in order)]
            if name in entries
        }

    def add(self, name: str, entry: Entry) -> None:
        """Adds or replaces an entry, at once: what was measured is not lost when the next one fails."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text(json.dumps({**self.entries(), name: entry}, indent=1, ensure_ascii=False) + "\n")
