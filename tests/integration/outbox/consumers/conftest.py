"""What tests of consumers are given."""

from __future__ import annotations

import pytest

from outbox.delivery import worker


@pytest.fixture
def soon_looking(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader that looks for requeued letters at once."""
    monkeypatch.setattr(worker, "LOOK_SECONDS", 0.05)
