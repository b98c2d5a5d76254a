"""What the tests of the relay work with."""

from __future__ import annotations

import pytest

from relay import connection


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that does not answer is given up soon."""
    monkeypatch.setattr(connection, "CONNECT_SECONDS", 1.5)
