"""What becomes of a test whose server cannot be had."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest

CI = os.environ.get("CI") == "true"


def unavailable(what: str, reason: Exception | str, instead: str = "") -> NoReturn:
    """Skips the test; in CI it fails, for there everything is to be run."""
    message = f"no {what} for the tests: {reason}{instead}"
    if CI:
        pytest.fail(message)
    pytest.skip(message)
