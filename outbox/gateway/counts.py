"""What a gateway counts of its calls."""

from __future__ import annotations

from collections import Counter

KINDS = ("reliable", "live", "post", "other")


class Counts:
    """Counts calls by their kind, and refusals by their status. For one event loop; read by any thread."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter(dict.fromkeys(KINDS, 0))
        self.failures: Counter[str] = Counter()
        self.connections = 0

    def begun(self, path: str) -> None:
        """Counts a call, or a WebSocket."""
        self.calls[kind_of(path)] += 1

    def answered(self, status: int) -> None:
        """Counts an answer that is a refusal."""
        if status >= 400:
            self.failures[str(status)] += 1


def kind_of(path: str) -> str:
    """Returns the kind of a call."""
    if path.startswith("/v1/consumers/"):
        return "reliable"
    if path.startswith("/v1/live/"):
        return "live"
    return "post" if path == "/v1/messages" else "other"
