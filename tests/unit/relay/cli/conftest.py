"""What the tests of the command `relay` work with."""

from __future__ import annotations

import os

import pytest


@pytest.fixture
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Takes away what whoever runs the tests has set for a relay."""
    for name in [name for name in os.environ if name.startswith("RELAY_")]:
        monkeypatch.delenv(name)
